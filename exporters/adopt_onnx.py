"""Adopts an ONNX classifier of another exporter: adds the graph contract and a manifest, and checks its answers.

What another exporter leaves to the code around the model moves into the file: the order of colours, the normalisation,
softmax, and how an image becomes one of the model's size.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from edgecnn._version import __version__
from edgecnn.atomic import atomic_path, check_apart
from edgecnn.data.folder_files import list_files
from edgecnn.data.left_out import LeftOut, left_out_by_reason
from edgecnn.data.loading import Skipped, fitted_batches
from edgecnn.errors import DataError, GateError, InputNotFoundError, ModelError, ProviderError, UsageError
from edgecnn.manifest import (
    InputSpec,
    Manifest,
    Normalization,
    PreprocessSpec,
    TrainingRecord,
    UnknownRule,
)
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.admission.admission import admit, admit_own
from edgecnn.runtime.golden.choice import choose, synthetic_images
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.ort_errors import ort_reason
from exporters.foreign.adopted_graph import build_adopted
from exporters.foreign.labels import read_labels
from exporters.foreign.original import Original
from exporters.foreign.read import ForeignModel, read_foreign
from exporters.foreign.scores import Scores, kind_of_scores, to_probabilities
from exporters.graph.constant_folding import fold_constants
from exporters.graph.fp16 import is_half_precision
from exporters.graph.metadata import describe, write_unchecked
from exporters.options import AdoptOptions
from exporters.temporary_names import naming
from exporters.written import ExportResult, Parity

__all__ = ["adopt"]

_LARGEST_STATISTIC = 2.0  # of pixels from 0 to 1; what is meant for 0 to 255 is around a hundred
_TOLERANCE = 1e-3  # of a probability
_AVERAGING = ("area", "antialias", "antialias-cubic")
_IMAGES = 256
_FEWEST = 8  # different images to compare on
_SINGLY, _LOOKED_AT = 6, 32  # images that the original gets one at a time, and by which its scores are understood
_BATCH = 32


def adopt(
    model: str | Path, path: str | Path, options: AdoptOptions | None = None, reporter: Reporter | None = None
) -> ExportResult:
    """Converts a classifier of another exporter to a model file.

    Args:
        model: an ONNX file with one input, float or uint8 images, and an output of class scores: logits or
            probabilities.
        path: the file to write. It appears only after its answers were found equal to the original's.
        options: what the file does not say.
        reporter: receives stages and progress.

    Raises:
        UsageError: something that the file leaves open and no option says; the message names the option.
        InputNotFoundError, ModelError: the file cannot be read, or cannot be adopted.
        DataError: the images to compare on cannot be used.
        GateError: the answers differ; nothing is written then.
        OutputError: the file cannot be written.
    """
    start = time.perf_counter()
    options, reporter, model, path = options or AdoptOptions(), reporter or Silent(), Path(model), Path(path)
    check_apart(path, model)
    questions: list[str] = []
    foreign = read_foreign(model, options.imgsz, options.layout, options.output, questions)
    labels = read_labels(options.labels, foreign.proto, foreign.labels, model, questions)
    mean, std = _statistics(foreign, options, questions)
    if questions:
        raise UsageError(f"{model}: missing information, give it by options: {'; '.join(questions)}")
    foreign, content = _admitted(foreign)
    fold_constants(foreign.proto)
    original = Original(foreign, content, mean, std, options.color)
    manifest = _manifest(foreign, labels, options, _integer_rule(mean, std))
    compared = _images(manifest, options)
    images, which = compared.images, compared.which
    first = original(images[:_SINGLY], singly=True)
    foreign = original.hold_batch(images[:_SINGLY], first)
    seen = np.concatenate([first, original(images[_SINGLY:_LOOKED_AT])])
    scores = kind_of_scores(model, foreign.proto.graph, foreign.output, seen, len(labels), options.scores)
    reporter.stage("adopting")(0, 1)
    source = _Source(foreign, manifest, mean, std, options.color, scores)
    expected = _expected(original, scores, images, reporter)
    with atomic_path(path) as temporary, naming(temporary, path):
        adopted, session, found = _build(source, temporary, expected, images)
        parity = Parity(len(images), which, _difference(expected, found), _agreement(expected, found))
        if options.golden != "none":
            synthetic = synthetic_images(manifest.input.height, manifest.input.width)
            candidates = images if options.golden == "data" else synthetic
            describe(adopted, manifest, None, choose(session, candidates, manifest.precision))
        _write(adopted, temporary, model)
        written = read_model_file(temporary)
        admit_own(replace(written, path=path))
    result = ExportResult.of(path, written, adopted, parity, time.perf_counter() - start)
    return replace(
        result,
        data_images=compared.count,
        left_out=left_out_by_reason(compared.left_out),
        skipped=compared.skipped,
        notes=_notes(foreign, options, scores, session, alike=_are_alike(expected)),
    )


def _admitted(foreign: ForeignModel) -> tuple[ForeignModel, bytes]:
    """Opens the foreign model, and returns it with its bytes as one file.

    A file may declare a free batch size and fail on two images; then its batch size is 1.
    """
    try:
        return foreign, _admit(foreign)
    except ModelError:
        if foreign.batch is not None:
            raise
        single = foreign.with_batch(1)
        try:
            return single, _admit(single)
        except ModelError:
            pass
        raise


def _admit(foreign: ForeignModel) -> bytes:
    content: bytes = foreign.proto.SerializeToString()
    file = ModelFile(foreign.path, content, hashlib.sha256(content).hexdigest())
    admit(file, (foreign.height, foreign.width), remedy="export the network for inference as plain ONNX")
    return content


@dataclass(frozen=True)
class _Source:
    """What an adopted graph is made of."""

    foreign: ForeignModel
    manifest: Manifest
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    color: str
    scores: Scores


def _build(
    source: _Source, temporary: Path, expected: NDArray[np.float64], images: Image
) -> tuple[ModelProto, ModelSession, NDArray[np.float32]]:
    """Builds a graph that answers several different images as the original does.

    Its batch size is free if the images prove that, else that of the original.

    Raises:
        GateError: neither does.
    """
    foreign = source.foreign
    batches = [foreign.batch] if foreign.batch is None or _are_alike(expected) else [None, foreign.batch]
    for batch in batches:
        why = ""
        try:
            adopted = build_adopted(
                foreign, source.manifest, source.mean, source.std, source.color, source.scores, batch=batch
            )
            describe(adopted, source.manifest, None, None)
            _write(adopted, temporary, foreign.path)
            session = open_session(temporary, "cpu", trusted=True)
            found = _answers(session, images)
        except (ModelError, ProviderError) as error:
            if batch == foreign.batch:
                why = ort_reason(error.__cause__) if isinstance(error.__cause__, Exception) else str(error)
                raise ModelError(
                    f"{foreign.path}: the graph that it became cannot be run ({why}); export it with another opset or "
                    "exporter"
                ) from error
            continue
        difference = _difference(expected, found)
        if difference <= _TOLERANCE:
            return adopted, session, found
        why = f"by {difference:.2g} in a probability (allowed {_TOLERANCE:g})"
    raise GateError(
        f"{foreign.path}: the adopted graph differs from it {why}; not written; export the network anew with another "
        "opset or exporter"
    )


def _answers(session: ModelSession, images: Image) -> NDArray[np.float32]:
    """Runs the graph with several batch sizes, since it may be right for one of them only."""
    sizes = (1, 2, 5)
    batches: list[NDArray[np.float32]] = []
    at = 0
    while at < len(images):
        size = sizes[len(batches)] if len(batches) < len(sizes) else _BATCH
        batches.append(session.probabilities(images[at : at + size]))
        at += size
    return np.concatenate(batches)


def _expected(original: Original, scores: Scores, images: Image, reporter: Reporter) -> NDArray[np.float64]:
    """Returns the probabilities that the original's scores mean."""
    progress = reporter.stage("running the original")
    rows = []
    for i in range(0, len(images), _BATCH):
        rows.append(to_probabilities(original(images[i : i + _BATCH]), scores))
        progress(min(i + _BATCH, len(images)), len(images))
    return np.concatenate(rows)


def _difference(expected: NDArray[np.float64], found: NDArray[np.float32]) -> float:
    if expected.shape != found.shape:  # a graph that mixes the images of a batch
        return float("inf")
    return float(np.abs(expected - found).max())


def _are_alike(expected: NDArray[np.float64]) -> bool:
    """Whether all images get nearly the same answer: then equal answers do not show that a batch is not mixed up."""
    return float(np.ptp(expected, axis=0).max()) < 10 * _TOLERANCE


def _agreement(expected: NDArray[np.float64], found: NDArray[np.float32]) -> float:
    return float((expected.argmax(1) == found.argmax(1)).mean())


_MEANING = {
    "logits": "logits; softmax makes them probabilities",
    "probabilities": "probabilities",
    "shares": "a probability per class; each class gets its share of their sum",
    "logit": "one logit, of the second class; sigmoid makes it a probability",
    "probability": "one probability, of the second class",
}


def _notes(
    foreign: ForeignModel, options: AdoptOptions, scores: Scores, session: ModelSession, *, alike: bool
) -> tuple[str, ...]:
    """Lists what was inferred from the file, and what the user should check."""
    notes = [f"scores: {_MEANING[scores]}"]
    if alike:
        notes.append(
            f"answers: nearly the same for all {'images of --data' if options.data else 'synthetic images'}, so the "
            "comparison proves little; check the normalization, and compare on images of several classes by --data"
        )
    if foreign.proto.producer_name == "pytorch" and options.interpolation == "linear":
        notes.append("interpolation: linear; networks of torchvision and timm need --interpolation antialias")
    if foreign.channels == 1:
        notes.append("input: grey levels of the image")
    if session.fixed_batch is not None:
        notes.append(
            f"batch: {session.fixed_batch}, as the file was made; more images run one batch after another. "
            "Export with a free batch (dynamic_axes or dynamic_shapes) for more speed"
        )
    return tuple(notes)


def _statistics(
    foreign: ForeignModel, options: AdoptOptions, questions: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation in pixel values, ``[1]`` or ``[3]``.

    A network that takes uint8 pixels normalises by itself.
    """
    if foreign.dtype == TensorProto.UINT8:
        if options.mean is not None or options.std is not None:
            raise UsageError(
                f"--mean and --std: {foreign.path} takes uint8 pixels and normalizes them itself; omit these options"
            )
        return np.zeros(1), np.ones(1)
    if options.mean is None or options.std is None:
        missing = " and ".join(
            name for name, value in (("--mean", options.mean), ("--std", options.std)) if value is None
        )
        questions.append(
            f"the normalization ({missing}, for pixels from 0 to 1; ImageNet's are 0.485,0.456,0.406 and "
            "0.229,0.224,0.225; pixels from 0 to 255 as they are: --mean 0 --std 1/255)"
        )
        return np.zeros(1), np.ones(1)
    for name, values in (("--mean", options.mean), ("--std", options.std)):
        if len(values) not in (1, foreign.channels) or not np.isfinite(values).all():
            expected = "one number, or three" if foreign.channels == 3 else "one number, since the network takes grey"
            raise UsageError(f"{name} {','.join(f'{v:g}' for v in values)}: expected {expected}")
    if max(*map(abs, options.mean), *options.std) > _LARGEST_STATISTIC:
        raise UsageError(
            "--mean and --std: pixels are counted 0 to 1 here; divide by 255 what was meant for 0 to 255, as in --mean "
            "123.68/255,116.78/255,103.94/255 --std 1/255"
        )
    if min(options.std) <= 0:
        raise UsageError(f"--std {','.join(f'{v:g}' for v in options.std)}: expected above 0")
    return 255 * np.array(options.mean), 255 * np.array(options.std)


def _integer_rule(mean: NDArray[np.float64], std: NDArray[np.float64]) -> Normalization | None:
    """One integer zero point and one scale where the normalisation is that simple.

    The pixels are then the first quantized tensor.
    """
    if np.ptp(mean) == 0 and np.ptp(std) == 0 and abs(mean[0] - round(mean[0])) < 1e-6 and 0 <= mean[0] <= 255:
        return Normalization(round(mean[0]), float(std[0]))
    return None


def _manifest(
    foreign: ForeignModel, labels: tuple[str, ...], options: AdoptOptions, rule: Normalization | None
) -> Manifest:
    if not 0 < options.crop_fraction <= 1:
        raise UsageError(f"--crop-fraction {options.crop_fraction:g}: expected above 0, at most 1")
    return Manifest(
        labels=labels,
        input=InputSpec(foreign.height, foreign.width),
        preprocess=PreprocessSpec(
            options.resize,
            options.interpolation,
            options.crop_fraction,
            rule.zero_point if rule else 114,
            # The others sample single pixels: of a smaller decoding these are averages, which the network never saw
            options.decode or ("scaled" if options.interpolation in _AVERAGING else "full"),
        ),
        normalization=rule or Normalization(0, 1.0),  # the network's own first step does the rest
        unknown=UnknownRule(),
        training=TrainingRecord(
            foreign.path.stem, "adopted", hashlib.sha256(foreign.path.read_bytes()).hexdigest(), None, None
        ),
        precision="fp16" if is_half_precision(foreign.proto) else "fp32",
        created_by=f"edgecnn {__version__}",
    )


@dataclass(frozen=True)
class _Compared:
    """The images on which the file is compared with the original."""

    images: Image
    which: str
    count: int = 0  # images of --data among them
    left_out: tuple[LeftOut, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def _images(manifest: Manifest, options: AdoptOptions) -> _Compared:
    made = synthetic_images(manifest.input.height, manifest.input.width)
    if options.data is None:
        if options.golden == "data":
            raise UsageError("--golden data: name the images with --data")
        return _Compared(made, "synthetic images; name real ones with --data")
    if not options.data.is_dir():
        raise InputNotFoundError(f"--data {options.data}: no such folder; check the path")
    files = list_files(options.data)
    paths = files.images
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), _IMAGES)).astype(int)]
    loaded = list(fitted_batches(chosen, manifest, 32, max_pixels=options.max_pixels))
    count = sum(len(batch.images) for batch in loaded)
    skipped = tuple(found for batch in loaded for found in batch.skipped)
    if not count:
        first = f"; first error: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{options.data}: none of the images can be read{first}")
    of_all = f"{count} images" if len(chosen) == len(paths) else f"{count} of {len(paths):,} images"
    images, which = np.concatenate([batch.images for batch in loaded]), f"{of_all} of {options.data}"
    if len(np.unique(images, axis=0)) < _FEWEST:  # equal answers to one image prove nothing of a batch
        images, which = np.concatenate([images, made]), f"{which} and {len(made)} synthetic ones"
    return _Compared(images, which, count, files.left_out, skipped)


def _write(model: ModelProto, path: Path, source: Path) -> None:
    try:
        write_unchecked(model, path)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{source}: onnx finds fault with the graph: {ort_reason(error)}; export it anew") from error
