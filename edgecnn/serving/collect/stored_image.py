"""A stored image file, to be classified again."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.preprocess import Decoded
from edgecnn.runtime.sources.frame import Frame, FrameFile, read_frame_bytes

__all__ = ["stored_frame"]

_JPEG = b"\xff\xd8"  # its first bytes


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
    frame = read_frame_bytes(lambda: content, name, max_pixels=most_pixels)
    if content.startswith(_JPEG):  # a model decodes it as `teach` and `predict` do, which may be smaller
        frame = replace(frame, file=FrameFile(content, Decoded.whole(frame.image), most_pixels))
    return frame if captured_at is None else replace(frame, captured_at=captured_at)
