"""What the boxes of an AVIF file say of its image: its size, and how it is to be turned.

The decoder leaves turning and mirroring to its caller, and EXIF does not count in AVIF (ISO/IEC 23008-12, 23000-22).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["AvifImage", "AvifTruncatedError", "avif_boxes", "box_head", "is_avif", "read_avif"]

_BRANDS = (b"avif", b"avis")
_HOLDING = (b"ftyp", b"meta", b"mdat", b"moov", b"iprp", b"ipco", b"ipma")  # what the image needs
_MOST_BOXES = 10_000
_FULL_BOX = 4  # bytes of version and flags


class AvifTruncatedError(ValueError):
    """A box ends after the file."""


@dataclass(frozen=True)
class AvifImage:
    """The primary image."""

    width: int  # pixels, before it is turned
    height: int
    quarter_turns: int  # anti-clockwise
    mirrored: str  # after that: "" not, "rows" upside down, "columns" left to right
    studio_grey: bool = False
    """Grey alone, of which 16 is black and 235 white: the decoder leaves such levels as they are."""


def is_avif(data: bytes) -> bool:
    """Whether a file's first bytes, 32 or more, are those of AVIF."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data))
    brands = [data[at : at + 4] for at in (8, *range(16, end - 3, 4))]
    return any(brand in _BRANDS for brand in brands)


def read_avif(data: bytes) -> AvifImage:
    """Reads the boxes.

    Raises:
        AvifTruncatedError: the file is truncated.
        struct.error, IndexError: a box is shorter than its kind.
    """
    (meta,) = [body for kind, body in avif_boxes(data) if kind == b"meta"][:1] or [b""]
    parts = dict(avif_boxes(meta[_FULL_BOX:]))
    properties = dict(avif_boxes(parts.get(b"iprp", b"")))
    stored = list(avif_boxes(properties.get(b"ipco", b"")))
    used = _indices(properties.get(b"ipma", b""), _primary(parts.get(b"pitm", b"")))
    kept = [stored[i - 1] for i in used if 0 < i <= len(stored)]
    own = dict(kept)
    studio = any(kind == b"colr" and _has_studio_range(body) for kind, body in kept)  # a profile may be in another
    width, height = struct.unpack_from(">II", own.get(b"ispe", b""), _FULL_BOX)
    mirror = own.get(b"imir")
    return AvifImage(
        width=width,
        height=height,
        quarter_turns=own.get(b"irot", b"\0")[0] & 3,
        mirrored="" if mirror is None else "columns" if mirror[0] & 1 else "rows",
        studio_grey=studio and _is_grey(own.get(b"av1C", b"")),
    )


def _is_grey(configuration: bytes) -> bool:
    """Whether AV1CodecConfigurationRecord states `monochrome` (AV1 in ISOBMFF, 2.3.3)."""
    return len(configuration) > 2 and bool(configuration[2] & 0x10)


def _has_studio_range(colours: bytes) -> bool:
    """Whether `nclx` states that full_range_flag is 0 (ISO/IEC 14496-12, 12.1.5)."""
    return colours[:4] == b"nclx" and len(colours) > 10 and not colours[10] & 0x80


def avif_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box.

    Raises:
        AvifTruncatedError: a box ends after the file.
        struct.error: a box is smaller than its header, or there are more than any encoder writes.
    """
    at = boxes = 0
    while at + 8 <= len(data):
        boxes += 1
        if boxes > _MOST_BOXES:
            raise struct.error("too many boxes")
        kind, content, end = box_head(data, at)
        if end > len(data):
            if kind in _HOLDING:
                raise AvifTruncatedError
            return  # no box: something was appended to the file
        yield kind, data[content:end]
        at = end


def box_head(data: bytes, at: int) -> tuple[bytes, int, int]:
    """Kind of a box, where its content begins, and where it ends: of AVIF (ISO/IEC 14496-12) and of JPEG 2000.

    Raises:
        struct.error: the data end within the header, or the box is smaller than it.
    """
    size, kind = struct.unpack_from(">I4s", data, at)
    head = 8
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, at + 8)
        head = 16
    if 0 < size < head:
        raise struct.error("a box is smaller than its header")
    return kind, at + head, at + size if size else len(data)  # 0: to the end


def _primary(pitm: bytes) -> int:
    return int.from_bytes(pitm[_FULL_BOX : _FULL_BOX + (4 if pitm[0] else 2)], "big") if pitm else 1


def _indices(ipma: bytes, item: int) -> list[int]:
    """The properties of an item, by their places from 1 on."""
    if not ipma:
        return []
    id_bytes, wide = 4 if ipma[0] else 2, ipma[3] & 1
    (entries,) = struct.unpack_from(">I", ipma, _FULL_BOX)
    at = _FULL_BOX + 4
    for _ in range(min(entries, _MOST_BOXES)):
        found = int.from_bytes(ipma[at : at + id_bytes], "big")
        count = ipma[at + id_bytes]
        at += id_bytes + 1
        step = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F  # without the bit that says whether a reader must know it
        if found == item:
            return [int.from_bytes(ipma[p : p + step], "big") & mask for p in range(at, at + step * count, step)]
        at += step * count
    return []
