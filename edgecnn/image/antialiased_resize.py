"""Bilinear and bicubic resizing with antialiasing: the pixels of Pillow, bit for bit.

torchvision and timm resize so. OpenCV's linear and cubic read a fixed number of pixels, however much an image shrinks.

Pillow (``Resample.c``) weighs bytes by integers in units of 2^-22, horizontally first, then vertically, and rounds to a
byte after each pass. Pillow 13 does the vertical pass first where the image is reduced and the height shrinks by more
than twice as many pixels as the width (images more than about twice as high as wide). This module keeps the order
that published networks were trained with. The pixels of such images then differ from Pillow 13's by a level or few.

Each weight is split into a high and a low part, so that every sum is an integer that float32 holds exactly and BLAS can
compute. Neighbouring results read nearly the same pixels, so a matrix product computes :data:`_BLOCK` of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Filter", "resize_antialiased"]

Filter = Literal["bilinear", "bicubic"]

_BITS = 22  # of a weight of 1
_LOW_BITS = 7  # of a weight, in its low part
_MOST_TAPS = (2**24 - 1) // (255 * (2**_LOW_BITS - 1))  # weights of one result, up to which float32 is exact
_BLOCK = 8  # results of one matrix product: more of them multiply more zeros, fewer of them need more products
_NUMBERS = 2**20  # converted to float at a time: 4 MB


def resize_antialiased(
    image: NDArray[np.uint8],
    width: int,
    height: int,
    kind: Filter,
    *,
    columns: slice | None = None,
    rows: slice | None = None,
    extent: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Resizes an image, or computes a part of the resized image.

    Args:
        image: uint8 ``[h, w, 3]``.
        width, height: size of the complete result, in pixels.
        kind: the filter.
        columns, rows: the part of the result to compute; None: all.
        extent: height and width of what is resized, where the image's last row and column are but in part of it.

    Returns:
        uint8 ``[rows, columns, 3]``, contiguous.
    """
    columns, rows = columns or slice(0, width), rows or slice(0, height)
    tall, wide = extent or image.shape[:2]
    if image.shape[0] == tall == height:
        return np.ascontiguousarray(_horizontally(image[rows], width, kind, columns, wide))
    vertical = _axis_weights(image.shape[0], height, kind, rows.start, rows.stop, tall)
    narrow = _horizontally(image[vertical.first : vertical.last], width, kind, columns, wide)
    return _vertically(np.ascontiguousarray(narrow), vertical)


@dataclass(frozen=True)
class _AxisWeights:
    """Weights of one axis, for consecutive results in blocks of :data:`_BLOCK`."""

    count: int  # results
    first: int  # source pixels that they read: from here
    last: int  # to before here
    starts: tuple[int, ...]  # first source pixel of each block, counted from ``first``
    matrices: NDArray[np.floating]  # [blocks, 2 * _BLOCK, source pixels of a block]; high parts above low parts
    clips: bool  # whether a sum can leave 0 ... 255


def _horizontally(image: NDArray[np.uint8], width: int, kind: Filter, columns: slice, wide: float) -> NDArray[np.uint8]:
    """uint8 ``[h, w, 3]`` -> ``[h, columns, 3]``: bands of rows are transposed and resized vertically."""
    if image.shape[1] == wide == width:
        return image[:, columns]
    weights = _axis_weights(image.shape[1], width, kind, columns.start, columns.stop, wide)
    resized = np.empty((len(image), weights.count, 3), np.uint8)
    step = max(1, _NUMBERS // (3 * (weights.last - weights.first)))
    for at in range(0, len(image), step):
        band = np.ascontiguousarray(image[at : at + step, weights.first : weights.last])
        transposed = cast("NDArray[np.uint8]", cv2.transpose(band))
        cv2.transpose(_vertically(transposed, weights), resized[at : at + step])
    return resized


def _vertically(lines: NDArray[np.uint8], weights: _AxisWeights) -> NDArray[np.uint8]:
    """uint8 ``[last - first, m, 3]``, contiguous -> ``[count, m, 3]``."""
    flat = lines.reshape(len(lines), -1)
    resized = np.empty((weights.count, flat.shape[1]), np.uint8)
    span = weights.matrices.shape[2]
    step = max(1, _NUMBERS // len(flat))
    for at in range(0, flat.shape[1], step):
        source = flat[:, at : at + step].astype(weights.matrices.dtype)
        for block, start in enumerate(weights.starts):
            target = resized[block * _BLOCK : (block + 1) * _BLOCK, at : at + step]
            sums = weights.matrices[block] @ source[start : start + span]
            target[:] = _rounded(sums, clips=weights.clips)[: len(target)]
    return resized.reshape(len(resized), *lines.shape[1:])


def _rounded(sums: NDArray[np.floating], *, clips: bool) -> NDArray[np.floating]:
    """``(high * 2^7 + low + 2^21) >> 22`` for sums of high and of low parts, computed in place.

    The result is floats whose whole part is the byte.
    """
    high, low = sums[:_BLOCK], sums[_BLOCK:]
    low *= 2.0**-_LOW_BITS
    np.floor(low, out=low)
    high += low
    high += 2.0 ** (_BITS - _LOW_BITS - 1)
    high *= 2.0 ** (_LOW_BITS - _BITS)
    return np.clip(high, 0, 255, out=high) if clips else high


@lru_cache(maxsize=16)
def _axis_weights(length: int, resized: int, kind: Filter, begin: int, end: int, extent: float) -> _AxisWeights:
    """The weights of results ``begin`` to ``end`` of ``resized``, from ``extent`` of ``length`` source pixels."""
    starts, weights = _weights(length, extent / resized, kind, np.arange(begin, end))
    taps = weights.shape[1]
    first, last = int(starts[0]), min(int(starts[-1]) + taps, length)
    heads = np.arange(0, end - begin, _BLOCK)
    tails = np.minimum(heads + _BLOCK, end - begin) - 1
    # all blocks read equally many pixels, so that one array holds them; the last ones begin earlier for that
    span = min(int((starts[tails] - starts[heads]).max()) + taps, last - first)
    block_starts = np.minimum(starts[heads], last - span)
    exact = np.float32 if taps <= _MOST_TAPS else np.float64
    matrices = np.zeros((len(heads), 2, _BLOCK, span), exact)
    block, row = np.divmod(np.arange(end - begin), _BLOCK)
    places = (starts - block_starts[block])[:, None] + np.arange(taps)
    results, tap = np.nonzero(weights)
    at = block[results], row[results], places[results, tap]
    matrices[at[0], 0, at[1], at[2]] = weights[results, tap] >> _LOW_BITS
    matrices[at[0], 1, at[1], at[2]] = weights[results, tap] & ((1 << _LOW_BITS) - 1)
    return _AxisWeights(
        end - begin,
        first,
        last,
        tuple(int(start) - first for start in block_starts),
        matrices.reshape(len(heads), 2 * _BLOCK, span),
        kind == "bicubic",
    )


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


def _weights(
    length: int, scale: float, kind: Filter, results: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first source pixel of each result ``[n]``, and its weights from there on ``[n, taps]``, in units of 2^-22."""
    shape, support = _FILTERS[kind]
    stretch = max(scale, 1.0)
    reach = support * stretch
    centres = (results + 0.5) * scale
    starts = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    stops = np.minimum((centres + reach + 0.5).astype(np.int64), length)
    taps = np.arange(int((stops - starts).max()))
    inside = taps < (stops - starts)[:, None]
    values = shape((starts[:, None] + taps - centres[:, None] + 0.5) * (1 / stretch)) * inside
    totals = np.cumsum(values, axis=1)[:, -1:]  # added in order, as Pillow does
    values = values / np.where(totals == 0, 1, totals) * (1 << _BITS)
    return starts, np.trunc(values + np.where(values < 0, -0.5, 0.5)).astype(np.int64)
