"""Whether a Matroska or WebM file is as long as it says: FFmpeg takes one that breaks off for one that ends."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_cut_short"]

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_HEAD_BYTES = 4096


def is_cut_short(path: str) -> bool:
    """Whether its Segment element should reach beyond the file's end (RFC 8794, RFC 9559); False for other files."""
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.startswith(_EBML):
        return False
    length = _number(head, len(_EBML))
    if length is None:
        return False
    segment = length[0] + length[1]
    if head[segment : segment + 4] != _SEGMENT:
        return False
    stated = _number(head, segment + 4)
    return stated is not None and stated[0] + stated[1] > Path(path).stat().st_size


def _number(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable-length number and the place behind it; None where it stands for 'unknown', or is not there."""
    if at >= len(data) or not data[at]:
        return None
    size = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + size], "big") & ((1 << 7 * size) - 1)
    return None if value == (1 << 7 * size) - 1 else (value, at + size)
