"""The manifest: the description that a model file carries in its metadata, as frozen dataclasses and as JSON.

It alone defines how an image becomes a tensor. Reading is strict: an unknown schema version, a missing key or a value
of the wrong type is an error that names the key. Unknown keys are ignored. The JSON Schema is
``docs/manifest.schema.json``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, cast, get_args

from edgecnn.error_text import shortened
from edgecnn.errors import ManifestError
from edgecnn.plain_json import encodable, json_text

__all__ = [
    "CLASSES_KEY",
    "EXACT_KEY",
    "GOLDEN_KEY",
    "LABELS_KEY",
    "LONGEST_INTERVAL_S",
    "MANIFEST_KEY",
    "SCHEMA",
    "SHORTEST_INTERVAL_S",
    "SPLIT_KEY",
    "TAUGHT_KEY",
    "UNKNOWN_OFF",
    "Decode",
    "InputSpec",
    "Interpolation",
    "Manifest",
    "ModelInput",
    "Normalization",
    "Precision",
    "PreprocessSpec",
    "Resize",
    "TaughtRecord",
    "TemporalKind",
    "TemporalSpec",
    "TrainingRecord",
    "UnknownRule",
    "UnknownScore",
]

SCHEMA = 1
MANIFEST_KEY, LABELS_KEY, GOLDEN_KEY, SPLIT_KEY = "edgecnn", "labels", "edgecnn.golden", "edgecnn.split"
CLASSES_KEY = "edgecnn.classes"  # statistics of the features of each class
EXACT_KEY = "edgecnn.exact"  # "1": int8 sums do not saturate on x86 without VNNI; for runners that do not read weights
TAUGHT_KEY = "edgecnn.taught"  # the images that `edgecnn teach` was given

# Of a recurrent model's steps. The runner takes all steps that are due at a frame, up to those of a second
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.001, 1e6

Decode = Literal["full", "scaled"]
Resize = Literal["stretch", "crop", "letterbox"]
Interpolation = Literal["area", "linear", "cubic", "nearest", "antialias", "antialias-cubic"]
Precision = Literal["fp32", "fp16", "int8", "mixed"]
UnknownScore = Literal["max_probability", "energy", "feature_distance"]
TemporalKind = Literal["gru", "lstm"]


@dataclass(frozen=True)
class InputSpec:
    """Size of the image that the graph takes: uint8 ``[N, height, width, 3]``."""

    height: int  # pixels
    width: int  # pixels
    color: Literal["RGB"] = "RGB"


@dataclass(frozen=True)
class PreprocessSpec:
    """How a decoded image of any size is resized to the model's input size."""

    resize: Resize = "stretch"
    interpolation: Interpolation = "area"
    crop_fraction: float = 1.0  # `crop` alone: shorter side to size / crop_fraction, then the centre
    pad_value: int = 127  # `letterbox` alone: grey level of the bars; the zero point, so that they are exact zeros
    # `scaled`: a JPEG that is much larger than the model's input is decoded at a part of its size (edgecnn.preprocess)
    decode: Decode = "full"


@dataclass(frozen=True)
class ModelInput:
    """What an image becomes: the size, and the way to it."""

    size: InputSpec
    preprocess: PreprocessSpec


@dataclass(frozen=True)
class Normalization:
    """Normalization inside the graph: ``(pixel - zero_point) / scale``.

    The zero point is an integer, so the uint8 pixels are already the quantized input tensor.
    """

    zero_point: int = 127
    scale: float = 128.0


UNKNOWN_OFF = "OFF: no threshold was fitted, so an image of anything else gets a label too"
"""What people are told of a model whose rule is off."""


@dataclass(frozen=True)
class UnknownRule:
    """The rule that makes an answer `unknown`, and the share of in-distribution images that it rejects.

    With ``max_probability``, a probability below the threshold is unknown. With ``energy`` and ``feature_distance``,
    which the graph returns as ``unknown_score``, a score above the threshold is unknown. See ``docs/unknown.md``.
    """

    score: UnknownScore = "max_probability"
    threshold: float = 0.0
    false_reject_rate: float = 0.0  # a fraction, on the images that the threshold was fitted on

    @property
    def in_graph(self) -> bool:
        """Whether the graph must return the score because it cannot be computed from the probabilities."""
        return self.score != "max_probability"

    @property
    def off(self) -> bool:
        """Whether nothing is ever unknown, since no threshold could be fitted: foreign images get a label too."""
        return not self.in_graph and self.threshold <= 0


@dataclass(frozen=True)
class TrainingRecord:
    """The training run that the weights come from."""

    model: str
    run: str
    data_sha256: str
    val_top1: float | None
    seed: int | None


@dataclass(frozen=True)
class TaughtRecord:
    """What `edgecnn teach` taught the model last."""

    from_sha256: str  # of the model file before
    images: int
    labels: tuple[str, ...]  # the classes of those images
    cv_top1: float  # by cross-validation, a fraction
    cv_interval: tuple[float, float]  # 95 %


@dataclass(frozen=True)
class TemporalSpec:
    """The recurrent head of a model that classifies clips: one step per frame, with a state that is carried on."""

    kind: TemporalKind
    state_size: int  # floats of the packed state of one source; zeros are the start
    stride: int  # source frames per step at the usual frame rate of the training clips
    frame_interval_s: float  # from one step to the next
    trained_lengths: tuple[int, int]  # fewest and most steps of the training clips

    @property
    def frame_rate(self) -> float:
        """Frames per second of the usual training clip."""
        return self.stride / self.frame_interval_s


@dataclass(frozen=True)
class Manifest:
    """Everything that a device needs to know about a model besides its graph."""

    labels: tuple[str, ...]
    input: InputSpec
    preprocess: PreprocessSpec
    normalization: Normalization
    unknown: UnknownRule
    training: TrainingRecord
    created_by: str
    precision: Precision = "fp32"
    temperature: float = 1.0
    ids: tuple[str, ...] | None = None  # stable names of the classes, where they have any (WordNet ids)
    task: Literal["classification"] = "classification"
    schema: int = SCHEMA
    # The OpenCV that decoded the training images; None: not recorded, as in files of other trainers. An optional key
    opencv: str | None = None
    temporal: TemporalSpec | None = None  # None: a model of single images. An optional key
    taught: TaughtRecord | None = None  # None: the classifier is that of the training run. An optional key

    def to_json(self) -> str:
        """One JSON object, keys as in the contract."""
        fields = dataclasses.asdict(self)
        for optional in ("opencv", "temporal", "taught"):
            if fields[optional] is None:
                del fields[optional]
        return json_text(fields)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Reads and checks a manifest.

        Raises:
            ManifestError: the text is not a JSON object, has another schema version, lacks a key, or has a value of the
                wrong type.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"the manifest is not valid JSON: {error}; export the model again") from error
        if not isinstance(found, dict):
            raise ManifestError("the manifest is not a JSON object; export the model again")
        return _manifest(_Reader(found, ""))

    @property
    def model_input(self) -> ModelInput:
        """What an image becomes for this model."""
        return ModelInput(self.input, self.preprocess)

    def index_of(self, name: str) -> int | None:
        """Index of the class with this label or id; None if the model has no such class.

        The name is compared with the ids if the manifest has ids, else with the labels.
        """
        for names in (self.ids or (), self.labels):
            if name in names:
                return names.index(name)
        return None

    def replace(self, **changes: object) -> Manifest:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _manifest(fields: _Reader) -> Manifest:
    schema = fields.integer("schema")
    if schema != SCHEMA:
        raise ManifestError(
            f"the manifest has schema version {schema}, this version of EdgeCNN reads version {SCHEMA}; "
            f"{'update EdgeCNN' if schema > SCHEMA else 'export the model again'}"
        )
    labels = fields.texts("labels")
    ids = None if fields.is_null("ids") else fields.texts("ids")
    if len(labels) < 2:
        raise fields.wrong("labels", "at least two labels")
    if ids is not None and len(ids) != len(labels):
        raise fields.wrong("ids", f"as many ids as labels ({len(labels)})")
    names = ids or labels
    if len(set(names)) != len(names):
        raise fields.wrong("ids" if ids else "labels", "unique names")
    size, preprocess, normalization = fields.part("input"), fields.part("preprocess"), fields.part("normalization")
    unknown, training = fields.part("unknown"), fields.part("training")
    return Manifest(
        schema=schema,
        task=cast("Literal['classification']", fields.one_of("task", ("classification",))),
        labels=labels,
        ids=ids,
        input=InputSpec(
            height=size.integer("height", least=1),
            width=size.integer("width", least=1),
            color=cast("Literal['RGB']", size.one_of("color", ("RGB",))),
        ),
        preprocess=PreprocessSpec(
            resize=cast("Resize", preprocess.one_of("resize", get_args(Resize))),
            interpolation=cast("Interpolation", preprocess.one_of("interpolation", get_args(Interpolation))),
            crop_fraction=preprocess.number("crop_fraction", least=0.1, most=1.0),
            pad_value=preprocess.integer("pad_value", least=0, most=255),
            decode=cast(
                "Decode", preprocess.one_of("decode", get_args(Decode)) if preprocess.has("decode") else "full"
            ),
        ),
        normalization=Normalization(
            zero_point=normalization.integer("zero_point", least=0, most=255),
            scale=normalization.number("scale", above=0.0),
        ),
        temperature=fields.number("temperature", above=0.0),
        unknown=UnknownRule(
            score=cast("UnknownScore", unknown.one_of("score", get_args(UnknownScore))),
            threshold=unknown.number("threshold"),
            false_reject_rate=unknown.number("false_reject_rate", least=0.0, most=1.0),
        ),
        precision=cast("Precision", fields.one_of("precision", get_args(Precision))),
        training=TrainingRecord(
            model=training.text("model"),
            run=training.text("run"),
            data_sha256=training.text("data_sha256"),
            val_top1=None if training.is_null("val_top1") else training.number("val_top1", least=0.0, most=1.0),
            seed=None if training.is_null("seed") else training.integer("seed"),
        ),
        created_by=fields.text("created_by"),
        opencv=fields.optional_text("opencv"),
        temporal=_temporal(fields.part("temporal")) if fields.has("temporal") else None,
        taught=_taught(fields.part("taught")) if fields.has("taught") else None,
    )


def _taught(fields: _Reader) -> TaughtRecord:
    low, high = fields.fractions("cv_interval", count=2)
    return TaughtRecord(
        from_sha256=fields.text("from_sha256"),
        images=fields.integer("images", least=1),
        labels=fields.texts("labels"),
        cv_top1=fields.number("cv_top1", least=0.0, most=1.0),
        cv_interval=(low, high),
    )


def _temporal(fields: _Reader) -> TemporalSpec:
    shortest, longest = fields.integers("trained_lengths", count=2, least=1)
    if shortest > longest:
        raise fields.wrong("trained_lengths", "the fewest before the most steps")
    return TemporalSpec(
        kind=cast("TemporalKind", fields.one_of("kind", get_args(TemporalKind))),
        state_size=fields.integer("state_size", least=1, most=1 << 20),
        stride=fields.integer("stride", least=1, most=10**12),
        frame_interval_s=fields.number("frame_interval_s", least=SHORTEST_INTERVAL_S, most=LONGEST_INTERVAL_S),
        trained_lengths=(shortest, longest),
    )


class _Reader:
    """Reads typed values from a JSON object. Errors name the key and the value found."""

    def __init__(self, found: Mapping[str, object], where: str) -> None:
        self._found = found
        self._where = where

    def _get(self, key: str) -> object:
        if key not in self._found:
            raise ManifestError(f"the manifest lacks the key {self._where}{key}; export the model again")
        return self._found[key]

    def wrong(self, key: str, expected: str) -> ManifestError:
        try:
            value = json_text(self._found.get(key))
        except RecursionError:  # nested as deep as it can just be read
            value = "nested too deep"
        return ManifestError(
            f"the manifest's {self._where}{key} is {shortened(value)}, expected {expected}; export the model again"
        )

    def has(self, key: str) -> bool:
        return self._found.get(key) is not None

    def is_null(self, key: str) -> bool:
        return self._get(key) is None

    def part(self, key: str) -> _Reader:
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return _Reader(value, f"{self._where}{key}.")

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self._found.get(key) is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(key, "a list of strings")
        if not all(map(encodable, value)):  # files, requests and events that tell a label are UTF-8
            raise self.wrong(key, "strings that UTF-8 can hold")
        return tuple(value)

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise self.wrong(key, f"one of {', '.join(allowed)}")
        return value

    def integer(self, key: str, *, least: int | None = None, most: int | None = None) -> int:
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "an integer")
        self._check_range(key, value, least=least, most=most)
        return value

    def integers(self, key: str, *, count: int, least: int) -> tuple[int, ...]:
        value = self._list(key, count, int, "integers")
        for number in value:
            self._check_range(key, number, least=least)
        return tuple(value)

    def fractions(self, key: str, *, count: int) -> tuple[float, ...]:
        value = self._list(key, count, int | float, "numbers")
        for number in value:
            self._check_range(key, number, least=0.0, most=1.0)
        return tuple(float(number) for number in value)

    def _list(self, key: str, count: int, kind: type | UnionType, words: str) -> list[Any]:
        value = self._get(key)
        if not isinstance(value, list) or len(value) != count:
            raise self.wrong(key, f"a list of {count} {words}")
        if not all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
            raise self.wrong(key, f"a list of {count} {words}")
        return value

    def number(
        self, key: str, *, least: float | None = None, above: float | None = None, most: float | None = None
    ) -> float:
        value = self._get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(key, "a number")
        self._check_range(key, value, least=least, above=above, most=most)
        return float(value)

    def _check_range(
        self,
        key: str,
        value: float,
        *,
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
    ) -> None:
        if not -1e300 < value < 1e300:  # json.loads takes NaN, Infinity and whole numbers of any length
            raise self.wrong(key, "a finite number")
        if least is not None and value < least:
            raise self.wrong(key, f"at least {least}")
        if above is not None and value <= above:
            raise self.wrong(key, f"above {above}")
        if most is not None and value > most:
            raise self.wrong(key, f"at most {most}")
