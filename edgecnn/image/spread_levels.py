"""Spreads the values of a PGM or PPM file over eight bits, by the largest value that its header states.

OpenCV 5.0 takes the bytes of a binary file as they are, and of sixteen bits the upper eight, whatever is white there:
an image of 12 bits (largest value 4095) becomes nearly black
(``findings/opencv_binary_pnm_ignores_its_largest_value.sh``).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.image.formats.pnm import largest_value

__all__ = ["decode_spread"]

_WHITE = 255
_ROWS = 256


def decode_spread(data: bytes, *, rgb: bool) -> NDArray[np.uint8] | None:
    """Decodes a file of which :func:`edgecnn.image.formats.pnm.states_a_range` is true.

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
    table = ((2 * _WHITE * steps + largest) // (2 * largest)).astype(np.uint8)
    spread = np.empty(levels.shape, np.uint8)
    for top in range(0, len(levels), _ROWS):  # not all at once, which would take as much memory again
        rows = table[np.minimum(levels[top : top + _ROWS], largest)]
        spread[top : top + _ROWS] = rows[..., ::-1] if rgb else rows
    return spread
