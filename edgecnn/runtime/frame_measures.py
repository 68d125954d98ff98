"""What can be told of a frame's health in a tenth of a millisecond: from a few of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.runtime.sharpness import sharpness
from edgecnn.runtime.tears import filled_share, full_columns, seam_share

__all__ = ["FrameMeasures", "measure_frame"]

_COLUMNS, _MOST_ROWS = 24, 270  # a third of the cache lines of 640 x 480, a tenth of those of 1920 x 1080
_BLOCKS = (8, 12)  # of the columns' points, each of three columns
_LIT_BLOCKS = 12  # of the 96: a time stamp, a lamp on a device
_CLIPPED = 3  # grey levels below the brightest that count as burnt out with it
_BRIGHTEST = 0.02  # of the pixels may be brighter than the brightest: a time stamp


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """Measures of one frame; `difference` compares it with another."""

    columns: NDArray[np.uint8]  # [R, 24] grey levels of single pixels, R up to 270
    levels: NDArray[np.float64]  # [256], share of these at each level or below
    shape: int  # grey levels between the blocks of the frame, without the brightest: what is to be seen in the dark
    sharpness: float | None  # None where the frame is too even or too small to tell
    seam: float  # share of the width
    filled: float  # share of the height

    def share_below(self, level: int) -> float:
        """Of the pixels."""
        return float(self.levels[level - 1]) if level else 0.0

    def burnt_share(self, least_level: int) -> float:
        """Of the pixels, those within three levels of the brightest; 0 where that is below ``least_level``. A sensor need not burn out at 255."""
        brightest = int(self.levels.searchsorted(1 - _BRIGHTEST))
        return 1.0 - float(self.levels[brightest - _CLIPPED - 1]) if brightest >= max(least_level, _CLIPPED + 1) else 0.0

    def difference(self, before: FrameMeasures) -> float:
        """Mean difference of the grey levels; that of a frame of another size is the largest."""
        if self.columns.shape != before.columns.shape:
            return 255.0
        return float(cv2.norm(self.columns, before.columns, cv2.NORM_L1)) / self.columns.size

    def least_difference(self, before: FrameMeasures) -> float:
        """Mean difference of the quietest tenth of the frame: the sensor's noise, where the rest moves."""
        if self.columns.shape != before.columns.shape:
            return 255.0
        change = np.asarray(cv2.absdiff(self.columns, before.columns)).astype(np.float32)
        return float(np.quantile(cv2.resize(change, _BLOCKS, interpolation=cv2.INTER_AREA), 0.1))


def measure_frame(image: Image) -> FrameMeasures:
    """Measures a frame, uint8 ``[H, W, 3]``."""
    columns = full_columns(image, _COLUMNS, _MOST_ROWS)
    counts = cv2.calcHist([columns], [0], None, [256], [0, 256]).ravel()
    blocks = np.sort(cv2.resize(columns, _BLOCKS, interpolation=cv2.INTER_AREA), axis=None)
    return FrameMeasures(
        columns,
        levels=counts.cumsum(dtype=np.float64) / columns.size,
        shape=int(blocks[-1 - _LIT_BLOCKS]) - int(blocks[0]),
        sharpness=sharpness(image, columns),
        seam=seam_share(image, columns),
        filled=filled_share(image, columns),
    )
