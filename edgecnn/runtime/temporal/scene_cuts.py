"""Detects a cut: a frame that shows another scene than the frame before it.

A false alarm discards the state in the middle of an action, so the test is conservative. A frame is a cut only if it
differs as a whole from the frame before it, and hardly any block of it reappears near the same place. Each comparison
ignores brightness and contrast, so lights that go on or off cause no cut. Blocks that moved alike count as found, so a
camera that shakes by a seventh of the image width causes no cut. An object that appears on less than half of the image
leaves enough blocks where they were. ``benchmarks/bench_scene_cuts.py`` measures this.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["SceneCuts"]

_SIDE, _BLOCK = 32, 8  # side in pixels of the small image that is compared, and of a block of it
_REACH = 5  # pixels that a block may have moved
_FLAT = 3.0  # standard deviation of grey levels below which a block, or an image, shows nothing
_LEAST_PARTS = 4  # fewest blocks that show something; with fewer there is no cut
_ALIKE = 0.5  # correlation of the whole images from which there is no cut and blocks are not compared
_FOUND = 0.85  # correlation from which a block counts as found
_SAME_MOVE = 1  # pixels by which the moves of two blocks of one scene may differ
_MOST_FOUND = 0.13  # fraction of the blocks that may be found at a cut

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
        return before is not None and _correlation(before, now) < _ALIKE and _share_found(before, now) <= _MOST_FOUND

    def forget(self) -> None:
        """Forgets the frames before: the next one cannot be a cut."""
        self._before = None


def _correlation(before: Grey, now: Grey) -> float:
    first, second = (values - values.mean() for values in (before, now))
    return float((first * second).sum() / max(1e-6, np.sqrt((first * first).sum() * (second * second).sum())))


def _share_found(before: Grey, now: Grey) -> float:
    """The fraction of the blocks of ``now`` that are found in ``before``, moved alike.

    Only blocks that show something count; 1 where they are too few.
    """
    around = cv2.copyMakeBorder(before, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    width, parts = _BLOCK + 2 * _REACH, 0
    moves: list[Sequence[int]] = []
    for y in range(0, _SIDE, _BLOCK):
        for x in range(0, _SIDE, _BLOCK):
            part = now[y : y + _BLOCK, x : x + _BLOCK]
            if part.std() < _FLAT:
                continue
            parts += 1
            match = cv2.matchTemplate(around[y : y + width, x : x + width], part, cv2.TM_CCOEFF_NORMED)
            _, best, _, place = cv2.minMaxLoc(match)
            if best > _FOUND:
                moves.append(place)
    return _most_alike(moves) / parts if parts >= _LEAST_PARTS else 1.0


def _most_alike(moves: list[Sequence[int]]) -> int:
    """Size of the largest group of blocks that moved alike. Blocks that match by chance move in any direction."""
    if not moves:
        return 0
    found = np.array(moves)  # [P, 2]
    apart = np.abs(found[:, None] - found[None]).max(2)  # [P, P]
    return int((apart <= _SAME_MOVE).sum(1).max())
