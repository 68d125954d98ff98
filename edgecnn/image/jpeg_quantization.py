"""How coarsely a JPEG file was quantized: what its encoder was told, whatever the image shows."""

from __future__ import annotations

import struct

__all__ = ["jpeg_quantization"]

_DQT, _SOS = 0xDB, 0xDA


def jpeg_quantization(data: bytes) -> float | None:
    """Mean quantization step of the brightness, 1 to 255 (ITU-T T.81, section B.2.4.1); larger: coarser.

    Args:
        data: the complete file.

    Returns:
        None for a file that is no JPEG, or has no such table.
    """
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = struct.unpack_from(">xBH", data, at)
        if marker == _SOS:
            break
        if marker == _DQT and (steps := _first_table(data[at + 4 : at + 2 + length])):
            return sum(steps) / len(steps)
        at += 2 + length
    return None


def _first_table(segment: bytes) -> tuple[int, ...]:
    """The steps of table 0, which the brightness uses; empty if the segment has another or is cut short."""
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        size = 128 if wide else 64
        if number == 0 and at + 1 + size <= len(segment):
            return struct.unpack_from(">64H" if wide else ">64B", segment, at + 1)
        at += 1 + size
    return ()
