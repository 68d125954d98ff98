"""The size of the AV1 frames in an AVIF file, as the frames themselves state it.

The boxes of the file state a size too, and the decoder believes the frames: it decodes them whole and scales the result
to what the boxes say. So a file of some kilobytes could pass for 16 x 16 pixels and cost gigabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edgecnn.image.formats.avif_boxes import avif_boxes

__all__ = ["coded_pixels", "largest_frame"]

_FULL_BOX = 4  # bytes of version and flags
_MOST_PARTS = 10_000  # OBUs of an item
_MOST_STEPS = 100_000  # of the whole file: boxes in tracks, items, extents, OBUs
_PLACE_STEPS, _HEADER_STEPS = 5, 8  # that reading a place in the file takes, or a sequence header
_SEQUENCE_HEADER = 1  # its OBU type (AV1 specification, section 6.2.2)
_MANY_LEVELS = 7  # levels above have a bit for the tier
_NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl")  # each in the one before it
_LONGEST_NUMBER = 32  # bits: the decoders stop there


def largest_frame(data: bytes) -> int:
    """Pixels of the largest frame of the images, alpha planes, grid tiles, and tracks; 0 where there is none.

    Args:
        data: the complete file.

    Raises:
        AvifTruncatedError: a box within another ends after the file.
        struct.error, IndexError: a box or a frame is shorter than its kind, or has more parts than any encoder writes.
    """
    items, samples = _frames(data)
    return max((*items, *samples), default=0)


def coded_pixels(data: bytes) -> int:
    """Pixels of all frames that are decoded for one image: itself, its alpha plane, its tiles, its thumbnails.

    Args:
        data: the complete file, of which :func:`largest_frame` told something.
    """
    return max(map(sum, _frames(data)))


class _Steps:
    """Counts what Python does for a file: a few bytes can ask for millions of steps."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def take(self, count: int = 1) -> None:
        """Raises :class:`struct.error` where the file asks for more than any encoder writes."""
        self._left -= count
        if self._left < 0:
            raise struct.error("it has too many parts")


def _frames(data: bytes) -> tuple[list[int], list[int]]:
    """Pixels of the frame of each item, and of the first frame of each track."""
    steps = _Steps()
    meta = next((body[_FULL_BOX:] for kind, body in avif_boxes(data) if kind == b"meta"), b"")
    boxes = dict(avif_boxes(meta))
    coded = _coded_items(boxes.get(b"iinf", b""))
    items = _items(boxes.get(b"iloc", b""), coded, data, boxes.get(b"idat", b""), steps)
    samples = _first_samples(data, steps)
    return [_largest_of(item, steps) for item in items], [_largest_of(sample, steps) for sample in samples]


def _coded_items(iinf: bytes) -> set[int]:
    """The ids of the items that are AV1 (ISO/IEC 14496-12, section 8.11.6)."""
    if not iinf:
        return set()
    found = set()
    for kind, entry in avif_boxes(iinf[_FULL_BOX + (4 if iinf[0] else 2) :]):
        id_bytes = 2 if entry[0] < 3 else 4
        if kind == b"infe" and entry[_FULL_BOX + id_bytes + 2 :][:4] == b"av01":
            found.add(int.from_bytes(entry[_FULL_BOX : _FULL_BOX + id_bytes], "big"))
    return found


class _Bytes:
    """Reads numbers of any number of bytes, one after the other."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def number(self, size: int) -> int:
        if self._at + size > len(self._data):
            raise struct.error("a box is shorter than its kind")
        found = int.from_bytes(self._data[self._at : self._at + size], "big")
        self._at += size
        return found


def _items(iloc: bytes, wanted: set[int], data: bytes, idat: bytes, steps: _Steps) -> Iterator[bytes]:
    """The contents of the items (section 8.11.3)."""
    if not iloc:
        return
    version, wide = iloc[0], 4 if iloc[0] >= 2 else 2
    fields = _Bytes(iloc, _FULL_BOX)
    sizes = fields.number(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    left = 2 * len(data)
    for _ in range(fields.number(wide)):
        steps.take(_PLACE_STEPS)
        item = fields.number(wide)
        place = idat if version and fields.number(2) & 15 == 1 else data
        fields.number(2)  # data reference
        base = fields.number(base_bytes)
        extents = []
        for _ in range(fields.number(2)):
            steps.take(_PLACE_STEPS)  # also for items that are not wanted: an extent may take no byte
            fields.number(index_bytes if version else 0)
            start, length = base + fields.number(offset_bytes), fields.number(length_bytes)
            if item in wanted:
                extents.append(place[start : start + length] if length else place[start:])
                left -= len(extents[-1])
            if left < 0:
                raise struct.error("its items are larger than the file")
        if item in wanted:
            yield b"".join(extents)


def _first_samples(data: bytes, steps: _Steps) -> Iterator[memoryview]:
    """Where the tracks of a sequence begin: of those the first frame is decoded. None of them is a copy."""
    for kind, body in _nested(data, steps):
        if kind in (b"stco", b"co64"):
            fields = _Bytes(body, _FULL_BOX)
            if fields.number(4):
                yield memoryview(data)[fields.number(4 if kind == b"stco" else 8) :]


def _nested(data: bytes, steps: _Steps, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of the tables of all tracks."""
    for kind, body in avif_boxes(data):
        steps.take()
        if depth == len(_NESTED):
            yield kind, body
        elif kind == _NESTED[depth]:
            yield from _nested(body, steps, depth + 1)


def _largest_of(item: bytes | memoryview, steps: _Steps) -> int:
    """Pixels of the largest frame that the sequence headers permit (AV1 specification, section 5.3)."""
    at, largest = 0, 0
    for _ in range(_MOST_PARTS):
        if at >= len(item):
            return largest
        steps.take()
        kind, start = item[at] >> 3 & 15, at + (2 if item[at] & 4 else 1)
        end = len(item)
        if item[at] & 2:
            size, start = _leb128(item, start)
            end = start + size
        if kind == _SEQUENCE_HEADER:
            steps.take(_HEADER_STEPS)
            largest = max(largest, _frame_pixels(item[start:end]))
        at = end
    raise struct.error("an item has too many parts")


def _leb128(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = 0
    for place in range(8):
        number |= (data[at + place] & 127) << 7 * place
        if data[at + place] < 128:
            break
    return number, at + place + 1


class _Bits:
    """Reads bits, the highest first."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def number(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise struct.error("a sequence header ends too early")
        return self._bits >> self._left & (1 << count) - 1

    def variable(self) -> None:
        """Passes over a number of unknown length (section 4.10.3)."""
        zeros = 0
        while not self.number(1):
            zeros += 1
            if zeros == _LONGEST_NUMBER:
                raise struct.error("a number is longer than any encoder writes")
        self.number(zeros)


def _frame_pixels(header: bytes | memoryview) -> int:
    """Of a sequence header (section 5.5.1)."""
    bits = _Bits(header[:256])
    bits.number(4)  # profile, still picture
    if bits.number(1):  # a shorter header, of still pictures
        bits.number(5)
    else:
        _pass_operating_points(bits)
    width_bits, height_bits = bits.number(4) + 1, bits.number(4) + 1
    return (bits.number(width_bits) + 1) * (bits.number(height_bits) + 1)


def _pass_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.number(1):  # timing
        bits.number(64)
        if bits.number(1):
            bits.variable()
        if bits.number(1):  # a model of the decoder
            delay_bits = bits.number(5) + 1
            bits.number(42)
    has_delays = bits.number(1)
    for _ in range(bits.number(5) + 1):
        bits.number(12)
        if bits.number(5) > _MANY_LEVELS:
            bits.number(1)
        if delay_bits and bits.number(1):
            bits.number(2 * delay_bits + 1)
        if has_delays and bits.number(1):
            bits.number(4)
