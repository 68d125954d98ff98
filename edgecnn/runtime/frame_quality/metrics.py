"""Measures the quality of a frame in about 0.1 ms, from a sample of its pixels.

Measuring happens between two inferences, when this code is not in the processor's caches: the first call of each
function costs more than its work. Hence the module uses few different functions, and Python numbers for small data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.runtime.frame_quality.sharpness import sharpness
from edgecnn.runtime.frame_quality.tearing import filled_share, full_columns, seam_share

__all__ = ["FrameMeasures", "measure_frame"]

_COLUMNS, _MAX_ROWS = 24, 270  # a third of the cache lines of 640 x 480, a tenth of those of 1920 x 1080
_BLOCKS = (8, 12)  # of the columns' points, each of three columns
_LIT_BLOCKS = 12  # of the 96: a time stamp, a lamp on a device
_WHITE = 255
_CLIPPED = 3  # grey levels below the brightest that count as burnt out with it
_BRIGHTEST = 0.02  # of the pixels may be brighter than the brightest: a time stamp


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """Quality measures of one frame. Measures that few frames need are computed on demand."""

    columns: NDArray[np.uint8]  # [R, 24] grey levels of single pixels, R up to 270
    mean: float  # grey level of these
    sharpness: float | None  # None where the frame is too even or too small to tell
    seam: float  # share of the width
    filled: float  # share of the height

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """Cumulative share of the sampled pixels at each grey level or below, ``[256]``."""
        return np.bincount(self.columns.ravel(), minlength=256).cumsum() / self.columns.size

    @property
    def shape(self) -> int:
        """Range of grey levels of the blocks of the frame without the brightest ones: the structure of a dark frame."""
        blocks = np.sort(cv2.resize(self.columns, _BLOCKS, interpolation=cv2.INTER_AREA), axis=None)
        return int(blocks[-1 - _LIT_BLOCKS]) - int(blocks[0])

    def share_below(self, level: int) -> float:
        """Share of the pixels below ``level``, as a fraction."""
        return float(self.levels[level - 1]) if level else 0.0

    def burnt_share(self, least_level: int) -> float:
        """Share of saturated pixels: those within three levels of the brightest one, as a fraction.

        0 if the brightest level is below ``least_level``. A sensor may saturate below 255.
        """
        brightest = int(self.levels.searchsorted(1 - _BRIGHTEST))
        return (
            1.0 - float(self.levels[brightest - _CLIPPED - 1]) if brightest >= max(least_level, _CLIPPED + 1) else 0.0
        )

    def is_darker(self, level: int, share: float) -> bool:
        """Whether more than ``share`` of the pixels are below ``level``; most frames are decided by the mean alone."""
        return self.mean < share * level + (1 - share) * _WHITE and self.share_below(level) > share

    def is_burnt(self, least_level: int, share: float) -> bool:
        """Whether more than ``share`` of the pixels are saturated at ``least_level`` or above."""
        return self.mean > share * (least_level - _CLIPPED) and self.burnt_share(least_level) > share

    def difference(self, before: FrameMeasures) -> float:
        """Mean difference of grey levels to another frame; 255 if the sizes differ."""
        if self.columns.shape != before.columns.shape:
            return 255.0
        return cv2.mean(cv2.absdiff(self.columns, before.columns))[0]

    def least_difference(self, before: FrameMeasures) -> float:
        """Mean difference in the most static tenth of the frame: sensor noise, even if the rest moves."""
        if self.columns.shape != before.columns.shape:
            return 255.0
        change = np.asarray(cv2.absdiff(self.columns, before.columns)).astype(np.float32)
        return float(np.quantile(cv2.resize(change, _BLOCKS, interpolation=cv2.INTER_AREA), 0.1))


def measure_frame(image: Image) -> FrameMeasures:
    """Measures a frame, uint8 ``[H, W, 3]``."""
    columns = full_columns(image, _COLUMNS, _MAX_ROWS)
    return FrameMeasures(
        columns=columns,
        mean=cv2.mean(columns)[0],
        sharpness=sharpness(image, columns),
        seam=seam_share(image, columns),
        filled=filled_share(image, columns),
    )
