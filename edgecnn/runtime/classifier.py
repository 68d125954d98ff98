"""The runner's face to a program: a model file, pictures in, answers out."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import UsageError
from edgecnn.held_out import SplitRecord
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS, ColorOrder, Image, check_image, fit
from edgecnn.runtime.decision import LatencyMs, Prediction, Status, decide
from edgecnn.runtime.run_options import RunOptions
from edgecnn.runtime.session import ModelSession, open_session
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.sources.frame import Frame, now_rfc3339
from edgecnn.runtime.stream import AnswerStream, StreamOptions, answer_stream

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Answer", "Classifier", "Picturelike"]

Picturelike: TypeAlias = "str | os.PathLike[str] | Frame | NDArray[np.uint8] | Any"
"""A path, a Frame, an array, or a PIL image (not imported here, so not named)."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A prediction, and the probabilities that it was made from."""

    prediction: Prediction
    probabilities: NDArray[np.float32]  # [C]


class Classifier:
    """Classifies pictures with a model file that EdgeCNN exported.

    >>> classifier = Classifier("model.onnx")
    >>> classifier("cat.jpg").label
    'cat'

    Args:
        model: the ``.onnx`` file.
        ep: execution provider, see :func:`edgecnn.runtime.session.open_session`.
        threads: of one inference; None: as ``options`` say.
        threshold: of the score that the manifest's rule goes by; None: the manifest's. A largest probability below it is ``unknown``,
            an unknown score above it.
        topk: how many classes ``Prediction.top`` reports.
        allow: the labels that may be an answer; where another is likelier, the answer is ``unknown``. Not together with ``deny``.
        deny: the labels that may not.
        max_pixels: refuse larger pictures.
        prove: replay the model's golden samples before the first answer, whatever the provider; `auto` does so where the model has any.
        options: threads, power, memory and what the provider is told, see :class:`edgecnn.runtime.run_options.RunOptions`.

    Raises:
        InputNotFoundError, ModelError, ManifestError, ProviderError, GateError: the model cannot be opened here.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        ep: str = "auto",
        threads: int | None = None,
        threshold: float | None = None,
        topk: int = 5,
        allow: Collection[str] | None = None,
        deny: Collection[str] | None = None,
        max_pixels: int = MAX_PIXELS,
        prove: bool = False,
        options: RunOptions | None = None,
    ) -> None:
        if topk < 1:
            raise UsageError(f"topk is {topk}, expected at least 1")
        if threshold is not None and not math.isfinite(threshold):  # no score is below or above what is no number
            raise UsageError(f"threshold is {threshold:g}, expected a number")
        self._session: ModelSession = open_session(cast("str | Path", model), ep, threads, prove=prove, options=options)
        self.threshold = self.manifest.unknown.threshold if threshold is None else threshold
        self._topk = topk
        self.asked = _asked(self.labels, allow, deny)
        """The classes that may be an answer; None: all."""
        self.max_pixels = max_pixels

    @property
    def manifest(self) -> Manifest:
        """What the model file says of itself."""
        return self._session.manifest

    @property
    def session(self) -> ModelSession:
        """The open model itself, for measurements."""
        return self._session

    @property
    def split_record(self) -> SplitRecord | None:
        """What the model was trained on, as far as the file remembers."""
        return self._session.split_record

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.manifest.labels

    @property
    def ep(self) -> str:
        """The provider that runs it."""
        return self._session.ep

    def __call__(self, image: Picturelike, *, color: ColorOrder = "bgr") -> Prediction:
        """Classifies one picture.

        Args:
            image: a path, a :class:`Frame`, a PIL image, or a uint8 array ``[H, W, 3]``.
            color: an array's channel order.

        Raises:
            InputNotFoundError, PictureError: it is no picture.
            UsageError: no such channel order.
        """
        return self.batch([image], color=color)[0]

    def batch(self, images: Sequence[Picturelike], *, color: ColorOrder = "bgr") -> list[Prediction]:
        """Classifies several pictures in one inference; the times of a prediction are its share. Raises as a call does."""
        return [answer.prediction for answer in self.answer([self._frame(image, color) for image in images])]

    def fitted(self, images: Sequence[Picturelike], *, color: ColorOrder = "bgr") -> Image:
        """What the network would see: uint8 ``[N, H, W, 3]`` RGB. Raises as a call does."""
        return np.stack([self.fit(_checked(self._frame(image, color))) for image in images])

    def stream(self, *sources: str | os.PathLike[str], **options: Any) -> AnswerStream:
        """Frame and prediction, one by one as they are ready.

        Pictures are read ahead; a video gives each of its frames, a camera or a stream its newest. What cannot be read and a camera that is away
        are reported, without a frame, and passed over. Several cameras are read at once.

        Args:
            sources: pictures, folders, globs, ``-``, videos, cameras, streams; see :func:`edgecnn.runtime.sources.address.parse_address`.
            options: fields of :class:`edgecnn.runtime.stream.StreamOptions`: ``batch``, ``every``, ``max_frames``, ``live``, ``health``,
                ``smoothing``, ``on_change``.

        Raises:
            TypeError: no such option.
            UsageError, InputNotFoundError, DataError, SourceError: at once, where there is no such file.
            SourceError: while iterating, where a camera or stream cannot be opened and another try cannot help.
        """
        return answer_stream(self, sources, StreamOptions(**options))

    def watch(self, callback: Callable[[Frame | None, Prediction], bool | None], *sources: str | os.PathLike[str], **options: Any) -> None:
        """Calls ``callback(frame, prediction)`` for each answer of :meth:`stream`, with its options, until the sources end or it returns False."""
        with self.stream(*sources, **options) as answers:
            for frame, prediction in answers:
                if callback(frame, prediction) is False:
                    return

    def fit(self, frame: Frame) -> Image:
        """What the network sees of a frame: uint8 ``[H, W, 3]`` RGB, the frame's own memory where it is so already."""
        fitted = fit(frame.image, self.manifest.input, self.manifest.preprocess)
        return fitted if frame.color == "rgb" else cast("Image", cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB))  # after the resize, where it costs least

    def answer(self, frames: Sequence[Frame], rows: Sequence[Image] | None = None) -> list[Answer]:
        """Answers to frames in one inference, with their probabilities.

        Args:
            frames: any number.
            rows: what :meth:`fit` made of each, where it was done before.

        Raises:
            PictureError: a frame's image is none.
        """
        if not frames:
            return []
        start = time.perf_counter()
        fitted = [self.fit(_checked(frame)) for frame in frames] if rows is None else rows
        inputs = fitted[0][None] if len(fitted) == 1 else np.stack(fitted)  # [N, H, W, 3] RGB
        prepared = time.perf_counter()
        probabilities, scores = self._session.answers(inputs)
        done = time.perf_counter()
        share = 1e3 / len(frames)
        preprocess_ms, inference_ms = (prepared - start) * share, (done - prepared) * share
        unknown = [None] * len(frames) if scores is None else scores.tolist()
        answered = zip(frames, probabilities, unknown, strict=True)
        return [Answer(self._prediction(frame, p, score, preprocess_ms, inference_ms), p) for frame, p, score in answered]

    def unfit(self, frame: Frame, reason: str) -> Prediction:
        """The report of a frame that is not classified, and why."""
        age_ms = (time.monotonic() - frame.captured_monotonic_s) * 1e3
        report = self.without_answer("no_decision", reason, frame.name, frame.index, frame.captured_at, age_ms)
        return replace(report, media_time_s=frame.media_time_s, latency_ms=LatencyMs(frame.decode_ms, None, None, frame.decode_ms or 0.0))

    def without_answer(
        self, status: Status, reason: str, source: str | None, frame: int | None, captured_at: str | None = None, age_ms: float = 0.0
    ) -> Prediction:
        """The report of what was not classified, and why."""
        return Prediction(
            source=source,
            frame=frame,
            captured_at=captured_at or now_rfc3339(),
            media_time_s=None,
            age_ms=age_ms,
            status=status,
            reason=reason,
            label=None,
            index=None,
            score=None,
            top=(),
            latency_ms=LatencyMs(None, None, None, 0.0),
            ep=self._session.ep,
            model_sha256=self._session.sha256,
        )

    def _frame(self, image: Picturelike, color: ColorOrder) -> Frame:
        if color not in get_args(ColorOrder):
            raise UsageError(f"color is '{color}', expected {' or '.join(get_args(ColorOrder))}")
        if isinstance(image, Frame):
            return image
        if isinstance(image, str | os.PathLike):
            return read_frame(os.fspath(cast("str", image)), 0, self.max_pixels)
        if hasattr(image, "convert") and hasattr(image, "getexif"):
            image, color = _from_pil(image), "rgb"
        return Frame(check_image(image), "array", color=color)

    def _prediction(
        self, frame: Frame, probabilities: NDArray[np.float32], unknown_score: float | None, preprocess_ms: float, inference_ms: float
    ) -> Prediction:
        decision = decide(probabilities, self.labels, self.threshold, self._topk, unknown_score, self.asked)
        total = (frame.decode_ms or 0.0) + preprocess_ms + inference_ms
        return Prediction(
            source=frame.name,
            frame=frame.index,
            captured_at=frame.captured_at,
            media_time_s=frame.media_time_s,
            age_ms=(time.monotonic() - frame.captured_monotonic_s) * 1e3,
            status=decision.status,
            reason=decision.reason,
            label=None if decision.index is None else self.labels[decision.index],
            index=decision.index,
            score=decision.score,
            top=decision.top,
            latency_ms=LatencyMs(frame.decode_ms, preprocess_ms, inference_ms, total),
            ep=self._session.ep,
            model_sha256=self._session.sha256,
        )

    def close(self) -> None:
        """Releases the session; the classifier cannot be used afterwards. May be called again."""
        self.__dict__.pop("_session", None)

    def __getattr__(self, name: str) -> NoReturn:
        if name == "_session":  # asked for here only where it is gone
            raise UsageError("the classifier is closed; open another")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(frame: Frame) -> Frame:
    """A frame that a caller may have made. Raises :class:`PictureError` where its image is none."""
    check_image(frame.image, frame.name)
    return frame


def _asked(labels: Sequence[str], allow: Collection[str] | None, deny: Collection[str] | None) -> frozenset[int] | None:
    """The classes that may be an answer; None: all."""
    if allow is None and deny is None:
        return None
    if allow is not None and deny is not None:
        raise UsageError("allow and deny are two ways to say the same: give one of them")
    named = allow if allow is not None else deny or ()
    if unknown := [label for label in named if label not in labels]:
        listed = ", ".join(labels[:20]) + (" …" if len(labels) > 20 else "")
        raise UsageError(f"the model has no label '{unknown[0]}'; it has {listed}")
    asked = frozenset(i for i, label in enumerate(labels) if (label in named) == (allow is not None))
    if not asked:
        raise UsageError("no label is left that may be an answer; allow one, or deny fewer")
    return asked


def _from_pil(image: Any) -> Image:
    """A PIL image with its orientation applied, by PIL's own conversion to eight bits."""
    from PIL import ImageOps  # noqa: PLC0415, TID251  # whoever has a PIL image has PIL

    return np.array(ImageOps.exif_transpose(image).convert("RGB"))
