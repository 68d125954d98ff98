"""The frame: an image with its source, number and times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Literal

from edgecnn.preprocess import MAX_PIXELS, ColorOrder, Decoded, Image, ModelInput, decode, decode_for

__all__ = ["Frame", "FrameFile", "FrameKind", "now_rfc3339", "read_frame_bytes", "rfc3339"]

FrameKind = Literal["image", "video", "stream"]
"""Frame quality checks run on streams and videos only, not on image files and arrays."""


def now_rfc3339() -> str:
    """Returns the current UTC time with milliseconds (RFC 3339)."""
    return rfc3339(time.time_ns())


def rfc3339(time_ns: int) -> str:
    """Returns a time in nanoseconds since 1970 as UTC with milliseconds (RFC 3339)."""
    second, ms = divmod(time_ns // 1_000_000, 1000)
    return f"{_rfc3339(second)}.{ms:03}Z"


@lru_cache(maxsize=1)  # a camera gives many frames a second
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, eq=False)
class FrameFile:
    """The JPEG file that an image was decoded from, for one model smaller than for another."""

    content: bytes
    decoded: Decoded  # a frame with another image than this, which a caller gave it, is not of this file
    max_pixels: int = MAX_PIXELS  # that the reader allowed


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded image with its source, number and times."""

    image: Image  # uint8 [H, W, 3], its channels in the order of `color`
    name: str
    index: int = 0
    media_time_s: float | None = None
    decode_ms: float | None = None
    captured_at: str = field(default_factory=now_rfc3339)
    captured_monotonic_s: float = field(default_factory=time.monotonic)
    kind: FrameKind = "image"
    color: ColorOrder = "bgr"  # of the image: every source here gives OpenCV's order
    region: str | None = None  # X,Y,WIDTH,HEIGHT: the part of the source's frame that `image` shows; None: all of it
    whole: Image | None = None  # of a region: the image that it is a part of
    file: FrameFile | None = None  # where `image` may be decoded smaller than its file; None: it is whole

    @property
    def time_s(self) -> float:
        """When it was taken, in seconds on its source's clock: the place in a video, else the monotonic clock."""
        return self.captured_monotonic_s if self.media_time_s is None else self.media_time_s

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the whole image, where ``image`` is a smaller decoding of it too."""
        file = self.own_file
        return self.image.shape[:2] if file is None else file.decoded.full_size

    @property
    def own_file(self) -> FrameFile | None:
        """The file of the image; None where it has none, or the image was replaced."""
        return self.file if self.file is not None and self.file.decoded.image is self.image else None

    def full_image(self) -> Image:
        """The image in the size of its file, uint8 ``[H, W, 3]``: decoded anew where ``image`` is smaller."""
        file = self.own_file
        if file is None or file.decoded.part == 1:
            return self.image
        return decode(file.content, self.name, file.max_pixels, self.color)


def read_frame_bytes(
    read: Callable[[], bytes], name: str, index: int = 0, max_pixels: int = MAX_PIXELS, model: ModelInput | None = None
) -> Frame:
    """Reads and decodes an image file, and counts the time of both.

    Args:
        read: gives the file.
        name: of the frame, and of the image in errors.
        index: of the frame.
        max_pixels: a larger image is refused.
        model: what the image is decoded for; None: it is decoded whole.

    Raises:
        ImageError: the file is no image that can be read. And what ``read`` raises.
    """
    captured_at, start_s = now_rfc3339(), time.perf_counter()
    captured_monotonic_s = time.monotonic()
    content = read()
    decoded = decode_for(content, model, name, max_pixels, "bgr")
    return Frame(
        image=decoded.image,
        name=name,
        index=index,
        decode_ms=(time.perf_counter() - start_s) * 1e3,
        captured_at=captured_at,
        captured_monotonic_s=captured_monotonic_s,
        file=None if decoded.part == 1 else FrameFile(content, decoded, max_pixels),
    )
