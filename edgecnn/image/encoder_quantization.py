"""How coarsely a JPEG or a lossy WebP file was quantized: what its encoder was told, whatever the image shows."""

from __future__ import annotations

import struct
from contextlib import suppress

from edgecnn.image.formats.jpeg_segments import DQT, SOS, jpeg_segments
from edgecnn.image.formats.webp_chunks import webp_chunks

__all__ = ["jpeg_quantization", "webp_quantizer"]

_HEADER = 64
"""Bytes of the first partition, more than its fields before the quantizer take (RFC 6386, section 9.3 to 9.6)."""
_FRAME_HEADER = 10  # bytes of a key frame before its first partition (section 9.1)
_DELTAS = 8  # of the loop filter


def jpeg_quantization(data: bytes) -> float | None:
    """Mean quantization step of the brightness, 1 to 255 (ITU-T T.81, section B.2.4.1); larger: coarser.

    Args:
        data: the complete file.

    Returns:
        None for a file that is no JPEG, or has no such table.
    """
    steps: tuple[int, ...] = ()
    with suppress(struct.error):  # cut short
        for marker, at in jpeg_segments(data) if data[:2] == b"\xff\xd8" else ():
            if marker == SOS:
                break
            if marker == DQT:  # of several tables the last one counts, as for the decoder
                (length,) = struct.unpack_from(">H", data, at)
                steps = _table_of_brightness(data[at + 2 : at + length]) or steps
    return sum(steps) / len(steps) if steps else None


def _table_of_brightness(segment: bytes) -> tuple[int, ...]:
    """The steps of table 0; empty if the segment has another or is cut short."""
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        size = 128 if wide else 64
        if number == 0 and at + 1 + size <= len(segment):
            return struct.unpack_from(">64H" if wide else ">64B", segment, at + 1)
        at += 1 + size
    return ()


def webp_quantizer(data: bytes) -> int | None:
    """The quantizer index of the frame, 0 to 127; larger: coarser.

    Args:
        data: the complete file.

    Returns:
        None for a file that is no WebP, or is lossless or animated.
    """
    frame = next((start for kind, start, _ in webp_chunks(data) if kind == b"VP8 "), None)
    return None if frame is None else _quantizer(data[frame + _FRAME_HEADER : frame + _FRAME_HEADER + _HEADER])


def _quantizer(partition: bytes) -> int:
    """Of the beginning of the first partition of a key frame."""
    fields = _BooleanDecoder(partition)
    fields.number(2)  # colour space, clamping
    if fields.number(1):  # segments
        has_map, has_values = fields.number(1), fields.number(1)
        if has_values:
            fields.number(1)
            fields.skip_optional(4, 8)
            fields.skip_optional(4, 7)
        if has_map:
            fields.skip_optional(3, 8)
    fields.number(10)  # loop filter
    if fields.number(1) and fields.number(1):
        fields.skip_optional(_DELTAS, 7)
    fields.number(2)  # partitions
    return fields.number(7)


class _BooleanDecoder:
    """Reads bits that are 0 or 1 equally often (RFC 6386, section 7.3)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data.ljust(_HEADER, b"\0"), "big")
        self._shift = 8 * (_HEADER - 1)
        self._range = 255

    def number(self, bits: int) -> int:
        """The next bits, the highest one first."""
        found = 0
        for _ in range(bits):
            split = (self._range + 1) // 2
            bit = self._value >= split << self._shift
            self._value -= (split << self._shift) * bit
            self._range = self._range - split if bit else split
            if self._range < 128:
                self._range *= 2
                self._shift -= 1
            found = 2 * found + bit
        return found

    def skip_optional(self, count: int, bits: int) -> None:
        """Fields of which a bit says whether they are there."""
        for _ in range(count):
            if self.number(1):
                self.number(bits)
