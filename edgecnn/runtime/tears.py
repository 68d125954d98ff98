"""Where a frame parts in two, or a decoder has filled up what it lacked; seen in the frame alone, since a lost place stays lost until the next whole picture."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["filled_share", "seam_share"]

_MARGIN = 4  # rows at the edges, which have too few neighbours
_CANDIDATES = 2  # rows that are looked at over their whole width
_STANDS_OUT = 1.2  # a candidate's mean step over its neighbours'
_JUMP = 8  # grey levels a seam's step has beyond twice those beside it
_MIXED = 0.1  # of the width: both brighter and darker steps; an edge in the scene goes one way, and so does the bar of a letterbox
_NEIGHBOURS = np.array([[1], [1], [0], [0], [0], [1], [1]], np.float32) / 4  # the two beside may hold a part of an edge
_SAME = 3  # grey levels between rows or pixels that count as equal: what JPEG leaves of one colour
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
    best = 0.0
    for row in stands_out.argpartition(-_CANDIDATES)[-_CANDIDATES:]:
        if stands_out[row] > _STANDS_OUT:
            best = max(best, _broken(image, int(row) + _MARGIN, rows))
    return best


def _broken(image: Image, row: int, rows: int) -> float:
    """At the step from ``row`` to the next, of ``rows`` that the columns have."""
    every = len(image) // rows
    first = row * every
    near = image[first - 2 * every : first + 4 * every : every, :, 1].astype(np.int16)  # [6, W], green
    steps = near[1:] - near[:-1]  # [5, W]; the seam's is in the middle
    sizes = np.abs(steps)
    beside = sizes[[0, 1, 3, 4]].max(axis=0)
    broken = sizes[2] > 2 * beside + _JUMP
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
    whole = repeated == len(columns)
    if repeated < least or not _is_filling(image, int(last.max()) - int(last.min()) <= _SAME, whole=whole):
        return 0.0
    return repeated / len(columns)


def _is_filling(image: Image, one_color: bool, *, whole: bool) -> bool:
    if not one_color:
        return not whole  # columns from the upper edge to the lower one are a test picture's
    color = image[-1, image.shape[1] // 2].astype(int)
    if any(np.abs(color - of).max() <= near for of, near in zip((_GREY, _GREEN), _NEAR, strict=True)):
        return True
    return not whole and bool(_BLACK < color.mean() < _WHITE)


def full_columns(image: Image, count: int, most_rows: int) -> NDArray[np.uint8]:
    """``count`` columns as grey levels, uint8 ``[R, count]``: each row, or every n-th where there are more than ``most_rows``."""
    height = len(image)
    every = -(-height // most_rows)
    kept = image[: height // every * every : every]
    points = cv2.resize(kept, (count, len(kept)), interpolation=cv2.INTER_NEAREST)
    return cast("NDArray[np.uint8]", cv2.cvtColor(points, cv2.COLOR_BGR2GRAY))
