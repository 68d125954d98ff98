"""Detects a cut: a frame that shows another scene than the frame before it.

A false alarm discards the state in the middle of an action, so the test is conservative. A frame is a cut only if it
differs as a whole from the frame before it, and hardly any block of it reappears near the same place. Each comparison
ignores brightness and contrast, so lights that go on or off cause no cut. Blocks that moved alike count as found, so a
camera that shakes by a seventh of the image width causes no cut. An object that appears on less than half of the image
leaves enough blocks where they were. ``benchmarks/bench_scene_cuts.py`` measures this.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.image.block_matching import BlockMatching
from edgecnn.preprocess import Image

__all__ = ["SceneCuts"]

_SIDE = 32  # of the small image that is compared, in pixels
_FLAT = 3.0  # standard deviation of grey levels below which an image, or a block of it, shows nothing
_BLOCKS = BlockMatching(block=8, reach=5, flat=_FLAT, found=0.85, least=4)
_ALIKE = 0.5  # correlation of the whole images from which there is no cut and blocks are not compared
_MAX_FOUND = 0.13  # fraction of the blocks that may be found at a cut

Grey = NDArray[np.float32]  # [_SIDE, _SIDE]


class SceneCuts:
    """Compares each frame of a source with the last earlier one that shows something."""

    def __init__(self) -> None:
        self._before: Grey | None = None

    def is_cut(self, row: Image) -> bool:
        """Whether this frame starts another scene.

        Args:
            row: the preprocessed frame, uint8 ``[H, W, 3]`` RGB.
        """
        small = cv2.resize(row, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        now: Grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if now.std() < _FLAT:  # dark, or covered: the next frame may show the scene from before it
            return False
        before, self._before = self._before, now
        if before is None or _correlation(before, now) >= _ALIKE:
            return False
        found = _BLOCKS.share_found(now, before)
        return found is not None and found <= _MAX_FOUND

    def forget(self) -> None:
        """Forgets the frames before: the next one cannot be a cut."""
        self._before = None


def _correlation(before: Grey, now: Grey) -> float:
    first, second = (values - values.mean() for values in (before, now))
    return float((first * second).sum() / max(1e-6, np.sqrt((first * first).sum() * (second * second).sum())))
