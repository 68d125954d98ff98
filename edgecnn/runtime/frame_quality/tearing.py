"""Detects torn frames: a seam between two parts, or a lower part that the decoder filled because data were missing.

It uses one frame only, because a decoder that lost data gives damaged frames until the next key frame.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["filled_share", "seam_share"]

_MARGIN = 4  # rows at the edges: cameras and encoders end there in their own ways
_CANDIDATES = 2  # rows that are looked at over their whole width
_MIN_COLUMNS = (
    0.25  # of the columns break at a candidate: a coarse sieve, since rows between those of the columns may hide some
)
_BESIDE = 2  # steps on either side that a seam is held against
_OTHERS = 8  # candidates after these
_ALIKE = 0.5  # of the widest: two others with such seams make an image that was enlarged by repeating its pixels
_ALONE = 1.7  # the same over the whole width, against the largest of the steps beside it
_JUMP = 8  # grey levels a seam's step has beyond twice those beside it
# Of the width: both brighter and darker steps; an edge in the scene goes one way, and so does the bar of a letterbox
_MIXED = 0.1
# Grey levels between rows or pixels that count as equal; a wall behind an encoder differs by more from side to side
_SAME = 1
_APART = 8  # pixels along a row: beyond what an encoder smooths
_TEXTURE, _ABRUPT = 32, 8  # grey levels: within the row that is drawn out; between a filling and what is above it
_MIN_FILLED = 0.05  # of the height
_BLACK, _WHITE = 24, 232  # bars and backgrounds have these colours by right
# BGR: what libjpeg and FFmpeg fill with; and zeros read as YUV, 77 to 135 by the standard
_GREY, _GREEN = (
    (128, 128, 128),
    (0, 110, 0),
)
_NEAR = (3, 40)  # how close to grey, and to the green


def seam_share(image: Image, columns: NDArray[np.uint8]) -> float:
    """Returns the share of the width over which a seam separates two rows; 0 if there is no seam.

    At a seam some pixels get brighter and some darker. The lens spreads an edge of the scene over several rows, so the
    neighbouring steps are at least half as large. A seam is a step between exactly two rows.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of the image, with every row or every n-th row.
    """
    if len(columns) < 4 * _MARGIN:
        return 0.0
    counts = _broken_columns(columns)
    first = _most_broken(image, columns, counts, _CANDIDATES)
    if not any(first):
        return 0.0  # nearly always
    others = sum(share > _ALIKE * max(first) for share in _most_broken(image, columns, counts, _OTHERS))
    return max(first) if others < 2 else 0.0


def _most_broken(image: Image, columns: NDArray[np.uint8], counts: cv2.typing.MatLike, most: int) -> list[float]:
    """Returns :func:`_broken` for up to ``most`` rows with the largest counts. Sets their counts to 0."""
    found: list[float] = []
    while len(found) < most:
        _, count, _, (_, row) = cv2.minMaxLoc(counts)
        if count < _MIN_COLUMNS * columns.shape[1]:
            break
        counts[row] = 0
        found.append(_broken(image, row + _MARGIN, len(columns)))
    return found


def _broken_columns(columns: NDArray[np.uint8]) -> cv2.typing.MatLike:
    """Counts the columns with an abrupt step after each row, without margins: int32 ``[R - 1 - 2 * 4, 1]``."""
    inner = columns[_MARGIN - _BESIDE : _BESIDE - _MARGIN]
    return _row_sums(_breaks(cv2.absdiff(inner[1:], inner[:-1])))


def _breaks(steps: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Marks abrupt steps: 1 where a step is much larger than the two before and after it, else 0.

    Takes uint8 ``[S, N]``, returns ``[S - 4, N]``.
    """
    pairs = cv2.max(steps[:-1], steps[1:])  # [S - 1, N]
    beside = cv2.max(pairs[:-3], pairs[3:])
    beyond = cv2.subtract(steps[2:-2], cv2.add(beside, beside))  # held within 0 and 255
    return cv2.threshold(beyond, _JUMP, 1, cv2.THRESH_BINARY)[1]


def _row_sums(values: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Sums the rows of uint8 ``[R, N]``: int32 ``[R, 1]``."""
    return cv2.reduce(values, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)


def _broken(image: Image, row: int, rows: int) -> float:
    """Returns the seam share at the most abrupt step between the image rows of sampled rows ``row`` and ``row + 1``."""
    every = len(image) // rows
    near = image[row * every - 2 : (row + 1) * every + 3]  # [every + 5, W, 3]
    flat = near.reshape(len(near), -1)
    levels = _row_sums(cv2.absdiff(flat[1:], flat[:-1])).ravel().tolist()  # of the every + 4 steps
    at = levels.index(max(levels[2:-2]), 2)
    beside = max(levels[at - 2], levels[at - 1], levels[at + 1], levels[at + 2])
    if levels[at] + flat.shape[1] < _ALONE * (beside + 2 * flat.shape[1]):
        return 0.0
    green = cv2.extractChannel(near[at - 2 : at + 4], 1)  # [6, W]; the seam's step is the middle one
    broken = _breaks(cv2.absdiff(green[1:], green[:-1]))  # [1, W]
    # Of 1 where broken, and below 0 where darker, the least
    brighter = cv2.min(broken, cv2.subtract(green[3:4], green[2:3]))
    width, both, up = broken.shape[1], *_row_sums(np.concatenate((broken, brighter))).ravel().tolist()
    return both / width if min(up, both - up) > _MIXED * width else 0.0


def filled_share(image: Image, columns: NDArray[np.uint8]) -> float:
    """Returns the share of the height, from the lower edge, in which one row is repeated.

    0 if the repeated rows may belong to the scene: a bar, a background, a wall.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of the image.
    """
    last = columns[-1:]
    least = max(2, round(_MIN_FILLED * len(columns)))
    if len(columns) <= least or any(
        abs(a - b) > _SAME for a, b in zip(columns[-least].tolist(), columns[-1].tolist(), strict=True)
    ):
        return 0.0  # nearly always
    same = np.asarray(cv2.absdiff(columns, np.repeat(last, len(columns), axis=0))).max(axis=1) <= _SAME
    repeated = len(columns) if same.all() else int(same[::-1].argmin())
    return repeated / len(columns) if repeated >= least and _is_filling(image, columns, repeated) else 0.0


def _is_filling(image: Image, columns: NDArray[np.uint8], repeated: int) -> bool:
    last, whole = columns[-1], repeated == len(columns)
    if (
        int(last.max()) - int(last.min()) > _SAME
    ):  # the last good row, drawn out; whole columns of one level are a test image's
        return (
            not whole
            and image.shape[1] > _APART
            and int(np.max(cv2.absdiff(image[-1, _APART:], image[-1, :-_APART]))) > _TEXTURE
        )
    color = image[-1, image.shape[1] // 2].astype(int)
    if any(np.abs(color - of).max() <= near for of, near in zip((_GREY, _GREEN), _NEAR, strict=True)):
        return True
    if whole or color.mean() > _WHITE or (color.mean() < _BLACK and columns[:2].max() < _BLACK):
        return False
    return cv2.mean(cv2.absdiff(columns[-repeated], columns[-repeated - 1]))[0] > _ABRUPT


def full_columns(image: Image, count: int, most_rows: int) -> NDArray[np.uint8]:
    """Returns ``count`` columns as grey levels, uint8 ``[R, count]``.

    Takes every row, or every n-th row if there are more than ``most_rows``.
    """
    height = len(image)
    every = -(-height // most_rows)
    kept = image[: height // every * every : every]
    points = cv2.resize(kept, (count, len(kept)), interpolation=cv2.INTER_NEAREST)
    return cast("NDArray[np.uint8]", cv2.cvtColor(points, cv2.COLOR_BGR2GRAY))
