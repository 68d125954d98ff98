"""The newest frame of a source, encoded once for all who look at it, and only when somebody looks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from edgecnn.preprocess import Image
from edgecnn.runtime.sources.frame import Frame

__all__ = ["EncodedImage", "NewestImage"]

_WIDEST = 640  # pixels: a page shows no more, and encoding costs by the pixel
_QUALITY = 75


@dataclass(frozen=True)
class EncodedImage:
    """A JPEG of a source's frame."""

    number: int  # of the frame, as in its decisions
    captured_at: str  # RFC 3339
    content: bytes
    width: int  # of the frame itself, pixels
    height: int


class NewestImage:
    """Holds the newest frame of one source."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._number = 0
        self._encoded: EncodedImage | None = None
        self._encoding = threading.Lock()

    def put(self, frame: Frame, number: int) -> None:
        """Replaces the frame. Numbers grow."""
        self._frame, self._number = frame, number

    @property
    def number(self) -> int:
        """Of the newest frame; 0: there was none."""
        return self._number

    @property
    def frame(self) -> Frame | None:
        """The newest frame; None: there was none."""
        return self._frame

    def encode(self) -> EncodedImage | None:
        """Returns the newest frame as JPEG, at most 640 pixels wide; None: there was none.

        Several callers at once share one encoding.
        """
        with self._encoding:
            number, frame = self._number, self._frame
            if frame is None:
                return None
            if self._encoded is None or self._encoded.number != number:
                self._encoded = _encode(frame, number)
            return self._encoded


def _encode(frame: Frame, number: int) -> EncodedImage:
    image: Image = frame.image if frame.color == "bgr" else np.ascontiguousarray(frame.image[..., ::-1])
    height, width = image.shape[:2]
    if width > _WIDEST:
        small = (_WIDEST, max(1, round(height * _WIDEST / width)))
        shown = cv2.resize(image, small, interpolation=cv2.INTER_LINEAR)
    else:
        shown = image
    done, jpeg = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "OpenCV encodes every uint8 image with three channels"
    return EncodedImage(number, frame.captured_at, jpeg.tobytes(), width, height)
