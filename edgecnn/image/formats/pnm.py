"""Spreads the values of a PGM or PPM file over eight bits, by the largest value that its header states.

OpenCV 5.0 takes the bytes of a binary file as they are, and of sixteen bits the upper eight, whatever is white there:
an image of 12 bits (largest value 4095) becomes nearly black
(``findings/opencv_binary_pnm_ignores_its_largest_value.sh``).
"""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_spread", "largest_value", "states_a_range"]

_HEADER = re.compile(rb"P([2356])(?:(?:\s|#[^\n]*\n)+\d{1,9}){2}(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_HEADER_BYTES = 4096
_EIGHT_BITS, _SIXTEEN_BITS = 255, 65535
_TEXT = (b"2", b"3")
_ROWS = 256


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


def decode_spread(data: bytes, *, rgb: bool) -> NDArray[np.uint8] | None:
    """Decodes a file of which :func:`states_a_range` is true.

    Args:
        data: the complete file.
        rgb: the order of the channels; else BGR.

    Returns:
        uint8 ``[H, W, 3]``: black 0, the stated largest value 255, rounded to the nearest. None where it cannot be
        decoded.

    Raises:
        cv2.error: the decoder refuses the file.
    """
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if levels is None:
        return None
    largest = largest_value(data)
    steps = np.arange(largest + 1, dtype=np.int64)
    table = ((2 * _EIGHT_BITS * steps + largest) // (2 * largest)).astype(np.uint8)
    spread = np.empty(levels.shape, np.uint8)
    for top in range(0, len(levels), _ROWS):  # not all at once, which would take as much memory again
        rows = table[np.minimum(levels[top : top + _ROWS], largest)]
        spread[top : top + _ROWS] = rows[..., ::-1] if rgb else rows
    return spread
