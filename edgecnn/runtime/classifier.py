"""The runner's face to a program: a model file, images in, answers out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import UsageError
from edgecnn.preprocess import ColorOrder, Image, check_image
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.frame_classifier import Answer, FrameClassifier, check_frame
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.stream import AnswerStream, StreamOptions, answer_stream

__all__ = ["Answer", "Classifier", "ImageLike"]

ImageLike: TypeAlias = "str | os.PathLike[str] | Frame | NDArray[np.uint8] | Any"
"""A path, a Frame, an array, or a PIL image (not imported here, so not named)."""


class Classifier(FrameClassifier):
    """Classifies images with a model file that EdgeCNN exported.

    >>> classifier = Classifier("model.onnx")
    >>> classifier("cat.jpg").label
    'cat'

    Args:
        model: the ``.onnx`` file.
        ep: execution provider, see :func:`edgecnn.runtime.session.opening.open_session`.
        threads: of one inference; None: as ``options`` say.
        threshold: of the score that the manifest's rule goes by; None: the manifest's. A largest probability below
            it is ``unknown``, an unknown score above it.
        topk: how many classes ``Prediction.top`` reports.
        allow: the labels that may be an answer; where another is likelier, the answer is ``unknown``. Not together
            with ``deny``.
        deny: the labels that may not.
        max_pixels: refuse larger images.
        prove: replay the model's golden samples before the first answer, whatever the provider; `auto` does so
            where the model has any.
        options: threads, power, memory and what the provider is told, see
            :class:`edgecnn.runtime.session.run_options.RunOptions`.

    Raises:
        InputNotFoundError, ModelError, ManifestError, ProviderError, GateError: the model cannot be opened here.
    """

    def __call__(self, image: ImageLike, *, color: ColorOrder = "bgr") -> Prediction:
        """Classifies one image.

        Args:
            image: a path, a :class:`Frame`, a PIL image, or a uint8 array ``[H, W, 3]``.
            color: an array's channel order.

        Raises:
            InputNotFoundError, ImageError: it is no image.
            UsageError: no such channel order.
        """
        return self.batch([image], color=color)[0]

    def batch(self, images: Sequence[ImageLike], *, color: ColorOrder = "bgr") -> list[Prediction]:
        """Classifies several images in one inference.

        The times of a prediction are its share. Raises as a call does.
        """
        return [answer.prediction for answer in self.answer([self._frame(image, color) for image in images])]

    def fitted(self, images: Sequence[ImageLike], *, color: ColorOrder = "bgr") -> Image:
        """What the network would see: uint8 ``[N, H, W, 3]`` RGB. Raises as a call does."""
        return np.stack([self.fit(check_frame(self._frame(image, color))) for image in images])

    def stream(self, *sources: str | os.PathLike[str], **options: Any) -> AnswerStream:
        """Frame and prediction, one by one as they are ready.

        Images are read ahead; a video gives each of its frames, a camera or a stream its newest. What cannot be read
        and a camera that is away are reported, without a frame, and passed over. Several cameras are read at once.

        Args:
            sources: images, folders, globs, ``-``, videos, cameras, streams; see
                :func:`edgecnn.runtime.sources.address.parse_address`.
            options: fields of :class:`edgecnn.runtime.streaming.stream.StreamOptions`: ``batch``, ``every``,
                ``max_frames``, ``live``, ``health``, ``smoothing``, ``on_change``.

        Raises:
            TypeError: no such option.
            UsageError, InputNotFoundError, DataError, SourceError: at once, where there is no such file.
            SourceError: while iterating, where a camera or stream cannot be opened and another try cannot help.
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
            return read_frame(os.fspath(cast("str", image)), 0, self.max_pixels)
        if hasattr(image, "convert") and hasattr(image, "getexif"):
            image, color = _from_pil(image), "rgb"
        return Frame(check_image(image), "array", color=color)


def _from_pil(image: Any) -> Image:
    """A PIL image with its orientation applied, by PIL's own conversion to eight bits."""
    from PIL import ImageOps  # noqa: PLC0415, TID251  # whoever has a PIL image has PIL

    return np.array(ImageOps.exif_transpose(image).convert("RGB"))
