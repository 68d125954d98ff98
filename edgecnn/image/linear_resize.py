"""Linear resizing with the same result on every processor: that of OpenCV on x86.

OpenCV itself rounds otherwise on ARM: there a fifth of the bytes differ by a level or two, and a probability by as much
as .02 (`benchmarks/bench_arm64_pixels.py`). Where it does, this module computes the pixels, in milliseconds instead of
tenths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["resize_linear"]

_ONE = 2048  # the weight 1: OpenCV weighs bytes by integers of 11 bits
_TRIED = (((47, 61), (23, 29)), ((48, 64), (24, 32)), ((36, 48), (20, 31)), ((20, 30), (33, 47)), ((20, 30), (40, 60)))


def resize_linear(
    image: NDArray[np.uint8], width: int, height: int, *, extent: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Resizes as ``cv2.resize`` with ``INTER_LINEAR`` does on x86, bit for bit.

    Args:
        image: uint8 ``[h, w, 3]``.
        width, height: of the result, in pixels.
        extent: height and width of what is resized, where the image's last row and column are but in part of it.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    return (_by_opencv if _opencv_rounds_so() else resize_exactly)(image, width, height, extent or image.shape[:2])


def _by_opencv(image: NDArray[np.uint8], width: int, height: int, extent: tuple[float, float]) -> NDArray[np.uint8]:
    rows, columns = extent
    if (rows, columns) == image.shape[:2]:
        return cast("NDArray[np.uint8]", cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))
    larger = cv2.resize(image, None, fx=width / columns, fy=height / rows, interpolation=cv2.INTER_LINEAR)
    return cast("NDArray[np.uint8]", larger)[:height, :width]


def resize_exactly(image: NDArray[np.uint8], width: int, height: int, extent: tuple[float, float]) -> NDArray[np.uint8]:
    """:func:`resize_linear` without OpenCV. Two by two pixels become their mean, as OpenCV has it."""
    down, across = 1 / (height / extent[0]), 1 / (width / extent[1])
    if down == across == 2:
        quarters = image[: 2 * height, : 2 * width].astype(np.uint16).reshape(height, 2, width, 2, -1)
        means: NDArray[np.uint16] = (quarters.sum(axis=(1, 3), dtype=np.uint16) + 2) >> 2
        return means.astype(np.uint8)
    x, y = _taps(image.shape[1], width, across, whole_at_ends=True), _taps(image.shape[0], height, down)
    rows, places = np.unique(np.concatenate([y.first, y.second]), return_inverse=True)
    band = image[rows]  # [rows that are needed, w, 3]
    sums = (band[:, x.first] * x.of_first[:, None] + band[:, x.second] * x.of_second[:, None]) >> 4
    above, below = sums[places[:height]], sums[places[height:]]
    weighed: NDArray[np.int32] = (above * y.of_first[:, None, None] >> 16) + (below * y.of_second[:, None, None] >> 16)
    return (weighed + 2 >> 2).astype(np.uint8)


@dataclass(frozen=True)
class _Taps:
    """The two pixels that each result is made of, and their weights, int32."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    of_first: NDArray[np.int32]
    of_second: NDArray[np.int32]


@lru_cache(maxsize=8)  # a camera's frames have one size
def _taps(size: int, results: int, scale: float, *, whole_at_ends: bool = False) -> _Taps:
    """Along one axis. At the ends OpenCV takes one pixel whole in a row, and the same pixel twice in a column."""
    places = ((np.arange(results) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.intp)
    share = places - first.astype(np.float32)
    if whole_at_ends:
        share[(first < 0) | (first >= size - 1)] = 0
    weights = (np.rint(part * np.float32(_ONE)).astype(np.int32) for part in (np.float32(1) - share, share))
    return _Taps(np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), *weights)


@lru_cache(maxsize=1)
def _opencv_rounds_so() -> bool:
    """Whether OpenCV makes these pixels on this processor: tried, since it depends on how it was built too."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for (rows, columns), (height, width) in _TRIED:
        image = np.ascontiguousarray(noise[:rows, :columns])
        size = width, height, image.shape[:2]
        if not np.array_equal(_by_opencv(image, *size), resize_exactly(image, *size)):
            return False
    return True
