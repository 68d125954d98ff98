"""Where a frame parts in two, or a decoder filled up what it lacked.

Seen in the frame alone, without the one before: a decoder that lost its place does not find it until the next whole picture.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["filled_share", "seam_share"]

_MARGIN = 4  # rows at the edges, which have too few neighbours
_CANDIDATES = 2  # rows that are looked at over their whole width
_STANDS_OUT = 1.3  # a candidate's mean step over that of its neighbours, in the columns: a coarse sieve
_OTHERS = 8  # candidates after these, of which two with seams too make a picture that was enlarged by repeating its pixels
_ALONE = 1.7  # the same over the whole width, against the largest of the steps beside it
_JUMP = 8  # grey levels a seam's step has beyond twice those beside it
_MIXED = 0.1  # of the width: both brighter and darker steps; an edge in the scene goes one way, and so does the bar of a letterbox
_NEIGHBOURS = np.array([[1], [1], [0], [0], [0], [1], [1]], np.float32) / 4  # the two beside may hold a part of an edge
_SAME = 1  # grey levels between rows or pixels that count as equal; a wall behind an encoder differs by more from side to side
_TEXTURE, _ABRUPT = 32, 8  # grey levels: within the row that is drawn out; between a filling and what is above it
_LEAST_FILLED = 0.05  # of the height
_BLACK, _WHITE = 24, 232  # bars and backgrounds have these colours by right
_GREY, _GREEN = (128, 128, 128), (0, 110, 0)  # BGR: what libjpeg and FFmpeg fill with; and zeros read as YUV, 77 to 135 by the standard
_NEAR = (3, 40)  # how close to grey, and to the green


def seam_share(image: Image, columns: NDArray[np.uint8]) -> float:
    """The share of the width over which one row breaks with the next, where some of it gets brighter and some darker; 0 where nothing breaks so.

    An edge of the scene is spread over rows by the lens: the steps beside it are half as large. A seam lies between two rows.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of it, every row or every n-th.
    """
    rows = len(columns)
    if rows < 4 * _MARGIN:
        return 0.0
    means = cv2.reduce(cv2.absdiff(columns[1:], columns[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)  # [R - 1, 1]
    stands_out = ((means + 1) / (cv2.filter2D(means, -1, _NEIGHBOURS) + 3))[_MARGIN:-_MARGIN, 0]
    candidates = np.flatnonzero(stands_out > _STANDS_OUT)
    ranked = candidates[np.argsort(-stands_out[candidates])] + _MARGIN
    best = max((_broken(image, int(row), rows) for row in ranked[:_CANDIDATES]), default=0.0)
    if not best:
        return 0.0
    others = sum(_broken(image, int(row), rows) > 0 for row in ranked[_CANDIDATES : _CANDIDATES + _OTHERS])
    return best if others < 2 else 0.0


def _broken(image: Image, row: int, rows: int) -> float:
    """At the most abrupt step between the rows that the columns have at ``row`` and the next, of ``rows``."""
    every = len(image) // rows
    near = np.ascontiguousarray(image[row * every - 2 : (row + 1) * every + 3])  # [every + 5, W, 3]
    flat = near.reshape(len(near), -1)
    means = cv2.reduce(cv2.absdiff(flat[1:], flat[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[:, 0]
    at = 2 + int(means[2:-2].argmax())
    if means[at] + 1 < _ALONE * (max(means[at - 2], means[at - 1], means[at + 1], means[at + 2]) + 2):
        return 0.0
    steps = np.diff(near[at - 2 : at + 4, :, 1].astype(np.int16), axis=0)  # [5, W], green; the seam's is in the middle
    sizes = np.abs(steps)
    broken = sizes[2] > 2 * sizes[[0, 1, 3, 4]].max(axis=0) + _JUMP
    brighter = np.count_nonzero(broken & (steps[2] > 0)) / broken.size
    darker = np.count_nonzero(broken) / broken.size - brighter
    return brighter + darker if min(brighter, darker) > _MIXED else 0.0


def filled_share(image: Image, columns: NDArray[np.uint8]) -> float:
    """The share of the height, from the lower edge, in which one row is repeated; 0 where that may be the scene: a bar, a background, a wall.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of it.
    """
    last = columns[-1:]
    least = max(2, round(_LEAST_FILLED * len(columns)))
    if len(columns) <= least or cv2.norm(columns[-least][None], last, cv2.NORM_INF) > _SAME:
        return 0.0  # nearly always
    same = np.asarray(cv2.absdiff(columns, np.repeat(last, len(columns), axis=0))).max(axis=1) <= _SAME
    repeated = len(columns) if same.all() else int(same[::-1].argmin())
    return repeated / len(columns) if repeated >= least and _is_filling(image, columns, repeated) else 0.0


def _is_filling(image: Image, columns: NDArray[np.uint8], repeated: int) -> bool:
    last, whole = columns[-1], repeated == len(columns)
    if int(last.max()) - int(last.min()) > _SAME:  # the last good row, drawn out; whole columns of one level are a test picture's
        return not whole and cv2.norm(image[-1, 8:], image[-1, :-8], cv2.NORM_INF) > _TEXTURE
    color = image[-1, image.shape[1] // 2].astype(int)
    if any(np.abs(color - of).max() <= near for of, near in zip((_GREY, _GREEN), _NEAR, strict=True)):
        return True
    if whole or color.mean() > _WHITE or (color.mean() < _BLACK and columns[:2].max() < _BLACK):
        return False
    return cv2.norm(columns[-repeated], columns[-repeated - 1], cv2.NORM_L1) > _ABRUPT * len(last)


def full_columns(image: Image, count: int, most_rows: int) -> NDArray[np.uint8]:
    """``count`` columns as grey levels, uint8 ``[R, count]``: each row, or every n-th where there are more than ``most_rows``."""
    height = len(image)
    every = -(-height // most_rows)
    kept = image[: height // every * every : every]
    points = cv2.resize(kept, (count, len(kept)), interpolation=cv2.INTER_NEAREST)
    return cast("NDArray[np.uint8]", cv2.cvtColor(points, cv2.COLOR_BGR2GRAY))
