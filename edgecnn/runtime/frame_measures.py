"""What can be told of a frame's health in a tenth of a millisecond: from a few of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["FrameMeasures", "measure_frame"]

_ROWS, _COLUMNS = 120, 80  # of the grid of single pixels
_BANDS, _BAND_ROWS, _POINTS = 24, 4, 160  # bands of rows, each averaged to so many points
_LAG = 4
_NEIGHBOURS = np.ones((5, 1), np.uint8)  # rows of the grid: a twentieth of the height
_EDGE = 4
_LEAST_NOVELTY = 0.2  # with `seam_share` tuned on forty clips of scripts/bench_health.py, seed 5
_JUMP, _FAINT_JUMP = 20, 8  # grey levels between rows that count as a seam there
_FLAT = 2.0  # grey levels between points four apart, on average, below which nothing can be said of sharpness: a wall, fog, night
_BAND_SHARE = 0.05  # of the height: the least band of one colour at the lower edge that counts as missing
_GREY, _NEARLY = 128, 3


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """Measures of one frame; `against` compares it with the one before."""

    grid: NDArray[np.uint8]  # [120, 80] grey levels
    seams: NDArray[np.float32]  # [119], share of the columns that jump between a row of the grid and the next
    faint_seams: NDArray[np.float32]  # the same of smaller jumps: an edge between two rows of the grid is a large one or two small ones
    sharpness: float | None  # None where the frame is too even or too small to tell
    missing: float  # share of the height, from the lower edge, that is one grey: a JPEG's lost part

    def share_below(self, level: float) -> float:
        """Of the pixels."""
        return int(np.count_nonzero(self.grid < level)) / self.grid.size

    def share_above(self, level: float) -> float:
        """Of the pixels."""
        return int(np.count_nonzero(self.grid > level)) / self.grid.size

    def difference(self, before: FrameMeasures) -> float:
        """Mean difference of the grey levels."""
        return float(cv2.norm(self.grid, before.grid, cv2.NORM_L1)) / self.grid.size

    def least_difference(self, before: FrameMeasures) -> float:
        """Mean difference of the quietest tenth of the frame: the sensor's noise, where the rest moves."""
        change = cv2.resize(cv2.absdiff(self.grid, before.grid).astype(np.float32), (8, 12), interpolation=cv2.INTER_AREA)  # blocks of 10 x 10
        return float(np.quantile(change, 0.1))

    def seam(self, before: FrameMeasures) -> float:
        """How much of its length a row spans where this frame parts in two, 0 where it does not.

        A row counts that jumps much more than it and its neighbours did before (a table's edge was there, and a camera that tilts moves it little),
        and only where one of the sides has changed half as much as the other, or less: after a cut both are new.
        """
        novelty = self.seams - cv2.dilate(before.faint_seams[:, None], _NEIGHBOURS)[:, 0]
        row = _EDGE + int(novelty[_EDGE:-_EDGE].argmax())  # what comes into view does so at the edge
        if novelty[row] <= _LEAST_NOVELTY:
            return 0.0
        change = cv2.absdiff(self.grid, before.grid)
        upper, lower = cv2.mean(change[: row + 1])[0], cv2.mean(change[row + 1 :])[0]
        return float(self.seams[row]) if min(upper, lower) < 0.5 * max(upper, lower) else 0.0


def measure_frame(image: Image) -> FrameMeasures:
    """Measures a frame, uint8 ``[H, W, 3]``."""
    grid = cv2.cvtColor(cv2.resize(image, (_COLUMNS, _ROWS), interpolation=cv2.INTER_NEAREST), cv2.COLOR_BGR2GRAY)
    steps = np.asarray(cv2.absdiff(grid[1:], grid[:-1]))  # [119, 80]
    seams, faint = ((steps > jump).mean(axis=1, dtype=np.float32) for jump in (_JUMP, _FAINT_JUMP))
    return FrameMeasures(grid, seams, faint, _sharpness(image), _missing(grid))  # type: ignore[arg-type]  # cv2's stubs know no dtype


def _sharpness(image: Image) -> float | None:
    """How abrupt the picture is at the scale at which networks look: steps between neighbours over steps of four, so that contrast cancels out.

    Bands of four rows are averaged in squares, which takes most of the sensor's noise away: noise is abrupt whatever the lens does.
    """
    height, width = image.shape[:2]
    step = height // _BANDS
    if step < _BAND_ROWS or width < _POINTS:
        return None
    bands = image[: _BANDS * step].reshape(_BANDS, step, width, 3)[:, :_BAND_ROWS, :, 1]  # [24, 4, W], green
    rows = np.ascontiguousarray(bands).reshape(_BANDS * _BAND_ROWS, width)
    points = cv2.resize(rows, (_POINTS, _BANDS), interpolation=cv2.INTER_AREA)  # [24, 160]
    wide = float(cv2.norm(points[:, _LAG:], points[:, :-_LAG], cv2.NORM_L1)) / (_POINTS - _LAG)
    if wide < _FLAT * _BANDS:
        return None
    return float(cv2.norm(points[:, 1:], points[:, :-1], cv2.NORM_L1)) / (_POINTS - 1) / wide


def _missing(grid: NDArray[np.uint8]) -> float:
    """libjpeg and FFmpeg fill what they lack with the middle grey."""
    if abs(int(grid[-1, 0]) - _GREY) > _NEARLY:
        return 0.0
    even: NDArray[np.bool_] = np.all(np.abs(grid.astype(np.int16) - _GREY) <= _NEARLY, axis=1)
    if even.all():
        return 1.0
    rows = int(even[::-1].argmin())
    return rows / len(grid) if rows >= _BAND_SHARE * len(grid) else 0.0
