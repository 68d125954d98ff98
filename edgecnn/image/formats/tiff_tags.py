"""The numbers in the first directory of a TIFF file (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

import struct

__all__ = ["read_tiff_tags"]

# Sizes, bits a sample, samples a pixel, rows a strip, sizes of tiles, sample format
_TAGS = frozenset((256, 257, 258, 277, 278, 322, 323, 339))
_MOST_ENTRIES = 65_535  # of a directory: a BigTIFF may state more, and the decoder refuses it
_KINDS = {3: "H", 4: "I", 16: "Q"}  # SHORT, LONG, LONG8


def read_tiff_tags(data: bytes) -> dict[int, int]:
    """The first number of each tag that tells what the decoder will allocate.

    Raises:
        struct.error: the file ends before its directory does.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    (start,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
    (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, start)
    entry, first, value_at = (20, start + 8, 12) if big else (12, start + 2, 8)
    tags: dict[int, int] = {}
    for position in range(first, min(first + min(count, _MOST_ENTRIES) * entry, len(data)), entry):
        tag, kind = struct.unpack_from(f"{order}HH", data, position)
        if tag in _TAGS and kind in _KINDS and tag not in tags:  # the first counts, as for the decoder
            number = _KINDS[kind]
            (values,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, position + 4)
            at = position + value_at
            if values * struct.calcsize(f"={number}") > (8 if big else 4):  # one for each channel, elsewhere
                (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, at)
            (tags[tag],) = struct.unpack_from(f"{order}{number}", data, at)
    return tags
