"""Bilinear and bicubic resizing with antialiasing, equal to the bit to Pillow's (the order of passes up to Pillow 12).

torchvision and timm resize so; OpenCV's linear and cubic read a fixed number of pixels, however much an image
shrinks. Pillow weighs pixels in whole numbers of 2^-22, across first and then down, and rounds to a byte after each
(``Resample.c``). The sums here are the same numbers: a weight is split into two parts, so that float32, which BLAS
multiplies fast, holds each sum exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Filter", "resize_antialiased"]

Filter = Literal["bilinear", "bicubic"]

_BITS = 22
_LOW_BITS = 10  # of a weight, in its lower part: 255 * 2^10 * 64 < 2^24
_MOST_TAPS = 64  # for which float32 is exact
_BLOCK = 2**22  # numbers that are floats at a time


def resize_antialiased(
    image: NDArray[np.uint8],
    width: int,
    height: int,
    kind: Filter,
    *,
    columns: slice | None = None,
    rows: slice | None = None,
) -> NDArray[np.uint8]:
    """The image at another size, or a part of that.

    Args:
        image: uint8 ``[h, w, 3]``.
        width, height: of the whole result, in pixels.
        kind: the filter.
        columns, rows: the part of the result that is wanted; None: all.

    Returns:
        uint8 ``[rows, columns, 3]``, contiguous.
    """
    columns, rows = columns or slice(0, width), rows or slice(0, height)
    result = image
    if image.shape[1] != width:
        across = np.ascontiguousarray(_rows_needed(image, height, kind, rows).transpose(1, 0, 2))
        narrow = _resample(across, image.shape[1], width, kind, columns).transpose(1, 0, 2)
        first = _first_row(image.shape[0], height, kind, rows)
    else:
        narrow, first = image[:, columns], 0
    if image.shape[0] == height:
        result = narrow[slice(rows.start - first, rows.stop - first)]
    else:
        result = _resample(np.ascontiguousarray(narrow), image.shape[0], height, kind, rows, first)
    return np.ascontiguousarray(result)


def _rows_needed(image: NDArray[np.uint8], height: int, kind: Filter, rows: slice) -> NDArray[np.uint8]:
    """The rows of the image that the wanted rows of the result are made of."""
    if image.shape[0] == height:
        return image[rows]
    starts, weights = _weights(image.shape[0], height, kind)
    last = rows.stop - 1
    return image[starts[rows.start] : starts[last] + len(weights[last])]


def _first_row(length: int, resized: int, kind: Filter, rows: slice) -> int:
    first: int = rows.start if length == resized else _weights(length, resized, kind)[0][rows.start]
    return first


def _resample(
    lines: NDArray[np.uint8], length: int, resized: int, kind: Filter, wanted: slice, first: int = 0
) -> NDArray[np.uint8]:
    """Along the first axis: uint8 ``[n, m, 3]``, lines from ``first`` on of ``length`` -> ``[wanted, m, 3]``."""
    starts, parts = _parts(length, resized, kind)
    flat = lines.reshape(len(lines), -1)
    found = np.empty((wanted.stop - wanted.start, flat.shape[1]), np.uint8)
    exact = parts[0].dtype
    step = max(1, _BLOCK // len(flat))
    for at in range(0, flat.shape[1], step):
        block = flat[:, at : at + step].astype(exact)
        for i in range(wanted.start, wanted.stop):
            begin = starts[i] - first
            high, low = (parts[i] @ block[begin : begin + parts[i].shape[1]]).astype(np.int32)
            sums = (high << _LOW_BITS) + low + (1 << (_BITS - 1))
            found[i - wanted.start, at : at + step] = np.clip(sums >> _BITS, 0, 255)
    return found.reshape(len(found), *lines.shape[1:])


@lru_cache(maxsize=16)
def _parts(length: int, resized: int, kind: Filter) -> tuple[tuple[int, ...], tuple[NDArray[np.floating], ...]]:
    """As :func:`_weights`, each weight as its higher and its lower part: ``[2, K]``."""
    starts, weights = _weights(length, resized, kind)
    exact = np.float32 if max(map(len, weights)) <= _MOST_TAPS else np.float64
    return starts, tuple(np.stack([w >> _LOW_BITS, w & ((1 << _LOW_BITS) - 1)]).astype(exact) for w in weights)


def _bilinear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(x), 0))


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    a = -0.5
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.asarray(np.where(x < 1, near, np.where(x < 2, far, 0)))


_FILTERS: dict[Filter, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
}


@lru_cache(maxsize=16)
def _weights(length: int, resized: int, kind: Filter) -> tuple[tuple[int, ...], tuple[NDArray[np.int32], ...]]:
    """For each line of the result the first line of the source, and the weights of the lines from there on, in
    2^-22."""
    shape, support = _FILTERS[kind]
    scale = length / resized
    stretch = max(scale, 1.0)
    reach = support * stretch
    starts, weights = [], []
    for i in range(resized):
        centre = (i + 0.5) * scale
        low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), length)
        values: NDArray[np.float64] = shape((np.arange(low, high, dtype=np.float64) - centre + 0.5) * (1 / stretch))
        total = float(np.cumsum(values)[-1])  # in order, as Pillow adds them
        values = (values / total if total else values) * (1 << _BITS)
        starts.append(low)
        weights.append(np.trunc(values + np.where(values < 0, -0.5, 0.5)).astype(np.int32))
    return tuple(starts), tuple(weights)
