"""The public Python API of the runtime: :class:`Classifier`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ImageError, UsageError
from edgecnn.preprocess import ColorOrder, Image, check_image, check_range
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.frame_classifier import Answer, FrameClassifier, check_frame
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.stream import AnswerStream, StreamOptions, answer_stream

__all__ = ["Answer", "Classifier", "ImageLike"]

ImageLike: TypeAlias = "str | os.PathLike[str] | Frame | NDArray[np.uint8] | Any"
"""A path, a Frame, an array, or a PIL image. PIL is not imported here, so the type is Any."""

_PIL_MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"))
"""Modes of eight bits a channel or fewer that PIL converts to RGB."""


class Classifier(FrameClassifier):
    """Classifies images with a model file that EdgeCNN exported.

    >>> classifier = Classifier("model.onnx")
    >>> classifier("cat.jpg").label
    'cat'

    Args:
        model: the ``.onnx`` file, or ``hf://OWNER/NAME`` on a hub, see docs/untrusted-models.md.
        ep: execution provider, see :func:`edgecnn.runtime.session.opening.open_session`.
        threads: CPU threads per inference; None: the value in ``options``.
        threshold: rejection threshold; None: the manifest's. The answer is ``unknown`` if the largest probability
            is below it or, with other rules, if the unknown score is above it.
        topk: number of classes in ``Prediction.top``.
        allow: labels that may be the answer. If another label is more probable, the answer is ``unknown``. Cannot be
            combined with ``deny``.
        deny: labels that may not be the answer.
        max_pixels: largest number of pixels of an image; larger images are refused.
        prove: replay the model's golden samples before the first answer, on any provider. `auto` always does so if
            the model has golden samples.
        options: threads, power, memory and provider options, see
            :class:`edgecnn.runtime.session.run_options.RunOptions`.

    Raises:
        UsageError: an argument has an invalid value.
        InputNotFoundError, ModelError, ManifestError: the model file cannot be used.
        ProviderError: the execution provider is not available.
        GateError: the golden samples fail on this device.
    """

    def __call__(
        self,
        image: ImageLike,
        *,
        color: ColorOrder = "bgr",
        source: str | os.PathLike[str] | None = None,
        time_s: float | None = None,
    ) -> Prediction:
        """Classifies one image.

        Args:
            image: a path, a :class:`Frame`, a PIL image, or a uint8 array ``[H, W, 3]``.
            color: channel order of an array.
            source: a name for the source that the image is the next frame of. A recurrent model then remembers the
                frames before it, until :meth:`reset`. None: a clip of one frame. Models of single images ignore it.
            time_s: when the image was taken, in seconds on any clock of that source: recurrent models take their steps
                by time. None: the time of a :class:`Frame`, else now.

        Raises:
            InputNotFoundError: the file does not exist.
            ImageError: the image cannot be read, or the array is not uint8 ``[H, W, 3]``.
            UsageError: ``color`` is not a channel order, or ``time_s`` is not finite.
        """
        if source is None or self.states is None:
            return self.batch([image], color=color)[0]
        frame = self._frame(image, color)
        if time_s is not None:
            frame = replace(frame, media_time_s=time_s)
        if not math.isfinite(frame.time_s):
            raise UsageError(f"time_s is {frame.time_s:g}, expected a finite number of seconds")
        return self.answer_next(frame, self.states.of(os.fspath(source))).prediction

    def batch(self, images: Sequence[ImageLike], *, color: ColorOrder = "bgr") -> list[Prediction]:
        """Classifies several images in one inference; with a recurrent model, each is a clip of one frame.

        Each prediction reports its share of the times. Raises as :meth:`__call__`.
        """
        return [answer.prediction for answer in self.answer([self._frame(image, color) for image in images])]

    def fitted(self, images: Sequence[ImageLike], *, color: ColorOrder = "bgr") -> Image:
        """Preprocesses images without running the model: uint8 ``[N, H, W, 3]`` RGB. Raises as :meth:`__call__`."""
        return np.stack([self.fit(check_frame(self._frame(image, color))) for image in images])

    def stream(self, *sources: str | os.PathLike[str], **options: Any) -> AnswerStream:
        """Yields pairs of frame and prediction.

        Images are read ahead. A video gives every frame, a camera or stream its newest frame. An image that cannot be
        read and a camera that is offline give a prediction with status ``error`` without a frame, and the stream goes
        on. Several cameras are read at the same time.

        Args:
            sources: images, folders, globs, ``-``, videos, cameras, streams; see
                :func:`edgecnn.runtime.sources.address.parse_address`.
            options: fields of :class:`edgecnn.runtime.streaming.stream.StreamOptions`: ``batch``, ``every``,
                ``max_frames``, ``live``, ``health``, ``smoothing``, ``on_change``, ``fps``, ``per_clip``,
                ``region``. The frames are whole, with a region too.

        Raises:
            TypeError: unknown option.
            UsageError, InputNotFoundError, DataError, SourceError: immediately, for a source that does not exist.
            SourceError: while iterating, for a camera or stream that cannot be opened and where retrying cannot help.
        """
        return answer_stream(self, sources, StreamOptions(**options))

    def watch(
        self,
        callback: Callable[[Frame | None, Prediction], bool | None],
        *sources: str | os.PathLike[str],
        **options: Any,
    ) -> None:
        """Calls ``callback(frame, prediction)`` for each answer of :meth:`stream`, with its options, until the sources
        end or it returns False."""
        with self.stream(*sources, **options) as answers:
            for frame, prediction in answers:
                if callback(frame, prediction) is False:
                    return

    def _frame(self, image: ImageLike, color: ColorOrder) -> Frame:
        if color not in get_args(ColorOrder):
            raise UsageError(f"color is '{color}', expected {' or '.join(get_args(ColorOrder))}")
        if isinstance(image, Frame):
            return image
        if isinstance(image, str | os.PathLike):
            return read_frame(os.fspath(cast("str", image)), 0, self.max_pixels, self.manifest.model_input)
        if hasattr(image, "convert") and hasattr(image, "getexif"):
            image, color = _from_pil(image), "rgb"
        return Frame(check_image(image), "array", color=color)


def _from_pil(image: Any) -> Image:
    """A PIL image with its orientation applied, in eight bits: as the same file is read by its path.

    Raises :class:`ImageError` for numbers of which black and white are not known.
    """
    from PIL import ImageOps  # noqa: PLC0415, TID251  # whoever has a PIL image has PIL

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return _from_16_bits(np.asarray(upright))
    if upright.mode not in _PIL_MODES:
        raise ImageError(
            f"image: a PIL image of mode {upright.mode}, of which black and white are not known; convert it to L, RGB "
            "or I;16, or give the path of its file"
        )
    return np.array(upright.convert("RGB"))


def _from_16_bits(levels: NDArray[np.uint16]) -> Image:
    """``[H, W]``, the upper eight bits in three channels. PIL's own conversion cuts all above 255 off."""
    check_range(levels, "image")
    return np.repeat((levels >> 8).astype(np.uint8)[..., None], 3, axis=2)
