"""The newest frame of a source, encoded once for all who look at it, and only when somebody looks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.frame_encoding import small_jpeg

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
        # One value, as another thread reads it: a number must not come with the frame after its own
        self._newest: tuple[int, Frame | None] = 0, None
        self._encoded: EncodedImage | None = None
        self._encoding = threading.Lock()

    def put(self, frame: Frame, number: int) -> None:
        """Replaces the frame. Numbers grow."""
        self._newest = number, frame

    @property
    def number(self) -> int:
        """Of the newest frame; 0: there was none."""
        return self._newest[0]

    @property
    def frame(self) -> Frame | None:
        """The newest frame; None: there was none."""
        return self._newest[1]

    def encode(self) -> EncodedImage | None:
        """Returns the newest frame as JPEG, at most 640 pixels wide; None: there was none.

        Several callers at once share one encoding.
        """
        with self._encoding:
            number, frame = self._newest
            if frame is None:
                return None
            if self._encoded is None or self._encoded.number != number:
                height, width = frame.image.shape[:2]
                content = small_jpeg(frame, _WIDEST, _QUALITY)
                self._encoded = EncodedImage(number, frame.captured_at, content, width, height)
            return self._encoded
