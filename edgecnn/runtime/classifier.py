"""The runner's face to a program: a model file, pictures in, answers out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import InputNotFoundError, PictureError, UsageError
from edgecnn.held_out import SplitRecord
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS, ColorOrder, Image, check_image, fit
from edgecnn.runtime.decision import LatencyMs, Prediction, decide
from edgecnn.runtime.run_options import RunOptions
from edgecnn.runtime.session import ModelSession, open_session
from edgecnn.runtime.sources.files import expand_sources, read_frame
from edgecnn.runtime.sources.frame import Frame, now_rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Classifier", "Picturelike"]

Picturelike: TypeAlias = "str | os.PathLike[str] | Frame | NDArray[np.uint8] | Any"
"""A path, a Frame, an array, or a PIL image (not imported here, so not named)."""


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
        max_pixels: int = MAX_PIXELS,
        prove: bool = False,
        options: RunOptions | None = None,
    ) -> None:
        if topk < 1:
            raise UsageError(f"topk is {topk}, expected at least 1")
        self._session: ModelSession = open_session(cast("str | Path", model), ep, threads, prove=prove, options=options)
        self.threshold = self.manifest.unknown.threshold if threshold is None else threshold
        self._topk = topk
        self._max_pixels = max_pixels

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
        """
        return self.batch([image], color=color)[0]

    def batch(self, images: Sequence[Picturelike], *, color: ColorOrder = "bgr") -> list[Prediction]:
        """Classifies several pictures in one inference; the times of a prediction are its share. Raises as a call does."""
        frames = [self._frame(image, color) for image in images]
        return self._answer(frames) if frames else []

    def fitted(self, images: Sequence[Picturelike], *, color: ColorOrder = "bgr") -> Image:
        """What the network would see: uint8 ``[N, H, W, 3]`` RGB. Raises as a call does."""
        return self._inputs([self._frame(image, color) for image in images])

    def stream(
        self, *sources: str | os.PathLike[str], batch: int = 1, every: int = 1, max_frames: int | None = None
    ) -> Iterator[tuple[Frame | None, Prediction]]:
        """Frame and prediction, one by one as they are ready; a picture that cannot be read is reported, without a frame, and passed over.

        Args:
            sources: pictures, folders, globs, ``-``.
            batch: pictures an inference.
            every: take every N-th picture.
            max_frames: stop after so many.

        Raises:
            UsageError, InputNotFoundError, DataError, SourceError: at once, where there is no such source.
        """
        if min(batch, every, 1 if max_frames is None else max_frames) < 1:
            raise UsageError(f"batch {batch}, every {every} and max_frames {max_frames}: expected at least 1")
        paths = expand_sources([os.fspath(s) for s in sources])
        return self._stream(islice(paths, 0, None if max_frames is None else every * max_frames, every), batch)

    def _stream(self, paths: Iterable[str], batch: int) -> Iterator[tuple[Frame | None, Prediction]]:
        waiting: list[Frame] = []
        for index, path in enumerate(paths):
            try:
                waiting.append(read_frame(path, index, self._max_pixels))
            except (PictureError, InputNotFoundError) as error:
                yield from zip(waiting, self._answer(waiting), strict=True)  # order is kept
                waiting = []
                yield None, self._unreadable(path, index, error)
            if len(waiting) == batch:
                yield from zip(waiting, self._answer(waiting), strict=True)
                waiting = []
        yield from zip(waiting, self._answer(waiting), strict=True)

    def _frame(self, image: Picturelike, color: ColorOrder) -> Frame:
        if isinstance(image, Frame):
            return image
        if isinstance(image, str | os.PathLike):
            return read_frame(os.fspath(cast("str", image)), 0, self._max_pixels)
        if hasattr(image, "convert") and hasattr(image, "getexif"):
            image, color = _from_pil(image), "rgb"
        array = check_image(image)
        return Frame(array if color == "bgr" else cast("Image", cv2.cvtColor(array, cv2.COLOR_RGB2BGR)), "array")

    def _answer(self, frames: Sequence[Frame]) -> list[Prediction]:
        if not frames:
            return []
        start = time.perf_counter()
        inputs = self._inputs(frames)  # [N, H, W, 3] RGB
        fitted = time.perf_counter()
        probabilities, scores = self._session.answers(inputs)
        done = time.perf_counter()
        share = 1e3 / len(frames)
        preprocess_ms, inference_ms = (fitted - start) * share, (done - fitted) * share
        unknown = [None] * len(frames) if scores is None else scores.tolist()
        rows = zip(frames, probabilities, unknown, strict=True)
        return [self._prediction(frame, p, score, preprocess_ms, inference_ms) for frame, p, score in rows]

    def _inputs(self, frames: Sequence[Frame]) -> Image:
        size, spec = self.manifest.input, self.manifest.preprocess
        inputs = np.empty((len(frames), size.height, size.width, 3), np.uint8)
        for row, frame in zip(inputs, frames, strict=True):
            cv2.cvtColor(fit(frame.image, size, spec), cv2.COLOR_BGR2RGB, dst=row)  # after the resize, where it costs least
        return inputs

    def _prediction(
        self, frame: Frame, probabilities: NDArray[np.float32], unknown_score: float | None, preprocess_ms: float, inference_ms: float
    ) -> Prediction:
        decision = decide(probabilities, self.labels, self.threshold, self._topk, unknown_score)
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

    def _unreadable(self, path: str, index: int, error: Exception) -> Prediction:
        return Prediction(
            source=path,
            frame=index,
            captured_at=now_rfc3339(),
            media_time_s=None,
            age_ms=0.0,
            status="error",
            reason=str(error).removeprefix(f"{path}: "),
            label=None,
            index=None,
            score=None,
            top=(),
            latency_ms=LatencyMs(None, None, None, 0.0),
            ep=self._session.ep,
            model_sha256=self._session.sha256,
        )

    def close(self) -> None:
        """Releases the session; the classifier cannot be used afterwards."""
        del self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _from_pil(image: Any) -> Image:
    """A PIL image with its orientation applied, by PIL's own conversion to eight bits."""
    from PIL import ImageOps  # noqa: PLC0415, TID251  # whoever has a PIL image has PIL

    return np.array(ImageOps.exif_transpose(image).convert("RGB"))
