"""Detects a cut: a frame that shows another scene than the frame before it.

A false alarm loses the memory of a running action, so the test is conservative. A frame is a cut only if it differs as a
whole from the frame before it, and hardly any part of it is found near the same place there. Each comparison ignores
brightness and contrast, so lights that go on or off are no cut. A camera that shakes by a seventh of its width, and an
object that appears on less than half of the image, leave enough parts where they were.

Measured with ``benchmarks/bench_scene_cuts.py`` on 278 photographs: 92 % of the pairs of two photographs are cuts. No pair
is one of a photograph and the same one shaken, zoomed by a tenth, darkened, brightened, tinted, lit from one side, or with
a square over a quarter of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["SceneCuts"]

_SIDE, _BLOCK = 32, 8  # pixels of the small image that is compared, and of a part of it
_REACH = 5  # pixels that a part may have moved
_FLAT = 3.0  # standard deviation of grey levels below which a part shows nothing
_LEAST_PARTS = 4  # with fewer that show something, nothing can be told
_ALIKE = 0.5  # correlation of the whole image from which no part is looked for
_FOUND = 0.85  # correlation from which a part is found again
_MOST_FOUND = 0.1  # share of the parts

Grey = NDArray[np.float32]  # [_SIDE, _SIDE]


class SceneCuts:
    """Compares each frame of a source with the last one before it that shows something."""

    def __init__(self) -> None:
        self._before: Grey | None = None

    def is_cut(self, row: Image) -> bool:
        """Whether this frame begins another scene.

        Args:
            row: the preprocessed frame, uint8 ``[H, W, 3]`` RGB.
        """
        small = cv2.resize(row, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        now: Grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if now.std() < _FLAT:  # dark, or covered: what comes after it may be the scene that was there before
            return False
        before, self._before = self._before, now
        return before is not None and _correlation(before, now) < _ALIKE and _share_found(before, now) <= _MOST_FOUND

    def forget(self) -> None:
        """The next frame is the first of its scene."""
        self._before = None


def _correlation(before: Grey, now: Grey) -> float:
    first, second = (values - values.mean() for values in (before, now))
    return float((first * second).sum() / max(1e-6, np.sqrt((first * first).sum() * (second * second).sum())))


def _share_found(before: Grey, now: Grey) -> float:
    """The share of the parts that show something which are found again near their place; 1 where too few do."""
    around = cv2.copyMakeBorder(before, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    width = _BLOCK + 2 * _REACH
    found = []
    for y in range(0, _SIDE, _BLOCK):
        for x in range(0, _SIDE, _BLOCK):
            part = now[y : y + _BLOCK, x : x + _BLOCK]
            if part.std() >= _FLAT:
                match = cv2.matchTemplate(around[y : y + width, x : x + width], part, cv2.TM_CCOEFF_NORMED)
                found.append(float(match.max()) > _FOUND)
    return sum(found) / len(found) if len(found) >= _LEAST_PARTS else 1.0
