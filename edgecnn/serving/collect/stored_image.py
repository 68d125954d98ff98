"""A stored image file, to be classified again."""

from __future__ import annotations

import time
from dataclasses import replace

from edgecnn.preprocess import Decoded, Image, decode
from edgecnn.runtime.sources.frame import Frame, FrameFile

__all__ = ["stored_frame"]


def stored_frame(content: bytes, name: str, most_pixels: int, captured_at: str | None = None) -> Frame:
    """The image of a file as a frame.

    Args:
        content: of the file.
        name: what answers and errors call it.
        most_pixels: a larger image is refused.
        captured_at: RFC 3339; None: now.

    Raises:
        ImageError: the file is no image that can be read.
    """
    start_s = time.perf_counter()
    pixels = decode(content, name, most_pixels, "bgr")
    frame = Frame(
        pixels, name, decode_ms=(time.perf_counter() - start_s) * 1e3, file=_file(content, pixels, most_pixels)
    )
    return frame if captured_at is None else replace(frame, captured_at=captured_at)


def _file(content: bytes, pixels: Image, most_pixels: int) -> FrameFile | None:
    """The file, so that a model decodes it as `teach` and `predict` do, which may be smaller."""
    if not content.startswith(b"\xff\xd8"):  # JPEG's first bytes
        return None
    return FrameFile(content, Decoded.whole(pixels), most_pixels)
