"""What can be told of a frame's health in a tenth of a millisecond: from a few of its pixels.

A frame is measured between two inferences, when nothing of this is in the processor's caches: there, each function that
is used for the first time costs more than what it does. Hence few functions, used often, and plain numbers where there
are few.
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
    """Measures of one frame.

    `difference` compares it with another. What only a dark, a bright or a learning frame needs is found out when asked.
    """

    columns: NDArray[np.uint8]  # [R, 24] grey levels of single pixels, R up to 270
    mean: float  # grey level of these
    sharpness: float | None  # None where the frame is too even or too small to tell
    seam: float  # share of the width
    filled: float  # share of the height

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """Share of the columns at each level or below, ``[256]``."""
        return np.bincount(self.columns.ravel(), minlength=256).cumsum() / self.columns.size

    @property
    def shape(self) -> int:
        """Grey levels between the blocks of the frame, without the brightest: what is to be seen in the dark."""
        blocks = np.sort(cv2.resize(self.columns, _BLOCKS, interpolation=cv2.INTER_AREA), axis=None)
        return int(blocks[-1 - _LIT_BLOCKS]) - int(blocks[0])

    def share_below(self, level: int) -> float:
        """Of the pixels."""
        return float(self.levels[level - 1]) if level else 0.0

    def burnt_share(self, least_level: int) -> float:
        """Of the pixels, those within three levels of the brightest.

        0 where that is below ``least_level``. A sensor need not burn out at 255.
        """
        brightest = int(self.levels.searchsorted(1 - _BRIGHTEST))
        return (
            1.0 - float(self.levels[brightest - _CLIPPED - 1]) if brightest >= max(least_level, _CLIPPED + 1) else 0.0
        )

    def is_darker(self, level: int, share: float) -> bool:
        """Whether more than ``share`` of the pixels are below ``level``; the mean rules it out for most frames."""
        return self.mean < share * level + (1 - share) * _WHITE and self.share_below(level) > share

    def is_burnt(self, least_level: int, share: float) -> bool:
        """Whether more than ``share`` of the pixels are burnt out at ``least_level`` or above; likewise."""
        return self.mean > share * (least_level - _CLIPPED) and self.burnt_share(least_level) > share

    def difference(self, before: FrameMeasures) -> float:
        """Mean difference of the grey levels; that of a frame of another size is the largest."""
        if self.columns.shape != before.columns.shape:
            return 255.0
        return cv2.mean(cv2.absdiff(self.columns, before.columns))[0]

    def least_difference(self, before: FrameMeasures) -> float:
        """Mean difference of the quietest tenth of the frame: the sensor's noise, where the rest moves."""
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
