"""The value of white in a PGM or PPM file, by its header."""

from __future__ import annotations

import re

__all__ = ["largest_value", "states_a_range"]

_HEADER = re.compile(rb"P([2356])(?:(?:\s|#[^\n]*\n)+\d{1,9}){2}(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_HEADER_BYTES = 4096
_EIGHT_BITS, _SIXTEEN_BITS = 255, 65535
_TEXT = (b"2", b"3")


def largest_value(data: bytes) -> int:
    """The value of white that the header of a PGM or PPM file states; 255 of other data (netpbm, ``pgm(5)``)."""
    found = _HEADER.match(data[:_HEADER_BYTES])
    return int(found[2]) if found else _EIGHT_BITS


def states_a_range(data: bytes) -> bool:
    """Whether the decoder would leave the values of this file as they are, though less than all bits is white."""
    found = _HEADER.match(data[:_HEADER_BYTES])
    if found is None:
        return False
    largest = int(found[2])
    if largest < _EIGHT_BITS:
        return largest > 0 and found[1] not in _TEXT  # text of up to eight bits is spread by the decoder
    return _EIGHT_BITS < largest < _SIXTEEN_BITS
