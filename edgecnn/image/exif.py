"""The EXIF orientation of an image file. It is read here because the decoder applies it without reporting it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from edgecnn.image.formats.jpeg_segments import SOS, jpeg_segments
from edgecnn.image.formats.png_chunks import png_chunks
from edgecnn.image.formats.webp_chunks import webp_chunks

__all__ = ["exif_orientation"]

_APP1, _EXIF = 0xE1, b"Exif\x00\x00"
_ORIENTATION, _SHORT = 0x0112, 3
_MOST_PARTS = 16  # files have one; each may have thousands of tags


def exif_orientation(data: bytes) -> int:
    """Returns the orientation tag, 1 to 8, of a JPEG, PNG, WebP or TIFF file (Exif 2.32, section 4.6.4).

    Returns 1 (upright) if the file has no such tag.

    Args:
        data: the complete file.
    """
    for part in islice(_tiff_parts(data), _MOST_PARTS):
        with suppress(struct.error):
            found = _tag(part)
            if found is not None:
                return found if 1 <= found <= 8 else 1
    return 1


def _tiff_parts(data: bytes) -> Iterator[bytes]:
    """What may hold tags; of several parts the first one with an orientation counts, as for the decoder."""
    if data[:2] == b"\xff\xd8":
        yield from _jpeg_parts(data)
    elif data[:4] in (b"II*\x00", b"MM\x00*"):
        yield data
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        yield from (data[start : end - 4] for kind, start, end in png_chunks(data) if kind == b"eXIf")
    else:
        yield from (data[start:end].removeprefix(_EXIF) for kind, start, end in webp_chunks(data) if kind == b"EXIF")


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    with suppress(struct.error):  # cut short
        for marker, at in jpeg_segments(data):
            if marker == SOS:  # the image begins
                return
            if marker == _APP1 and data[at + 2 : at + 8] == _EXIF:
                (length,) = struct.unpack_from(">H", data, at)
                yield data[at + 8 : at + length]


def _tag(tiff: bytes) -> int | None:
    if tiff[:2] not in (b"II", b"MM"):
        return None
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
        if tag == _ORIENTATION and kind == _SHORT:
            return int(value)
    return None
