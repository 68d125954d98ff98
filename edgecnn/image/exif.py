"""The EXIF orientation of an image file. It is read here because the decoder applies it without reporting it."""

from __future__ import annotations

import struct

__all__ = ["exif_orientation"]

_ORIENTATION, _SHORT = 0x0112, 3


def exif_orientation(data: bytes) -> int:
    """Returns the orientation tag, 1 to 8, of a JPEG, PNG, WebP or TIFF file (Exif 2.32, section 4.6.4).

    Returns 1 (upright) if the file has no such tag.

    Args:
        data: the complete file.
    """
    try:
        found = _tag(_tiff_part(data))
    except struct.error:
        return 1
    return found if 1 <= found <= 8 else 1


def _tiff_part(data: bytes) -> bytes:
    if data[:2] == b"\xff\xd8":
        return _jpeg_part(data)
    if data[:4] in (b"II*\x00", b"MM\x00*"):
        return data
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_part(data)
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X":
        at = data.find(b"EXIF", 30)
        return data[at + 8 :].removeprefix(b"Exif\x00\x00") if at > 0 else b""
    return b""


def _jpeg_part(data: bytes) -> bytes:
    at = 2
    while data[at] == 0xFF if at + 4 <= len(data) else False:
        marker, length = struct.unpack_from(">xBH", data, at)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\x00\x00":
            return data[at + 10 : at + 2 + length]
        if marker == 0xDA:  # the image begins
            break
        at += 2 + length
    return b""


def _png_part(data: bytes) -> bytes:
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _tag(tiff: bytes) -> int:
    if tiff[:2] not in (b"II", b"MM"):
        return 1
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
        if tag == _ORIENTATION and kind == _SHORT:
            return int(value)
    return 1
