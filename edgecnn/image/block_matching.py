"""How much of a grey image is found again in another one, block by block, when the camera may have moved a little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockMatching"]

_SAME_MOVE = 1  # pixels by which the moves of two blocks of one scene may differ

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class BlockMatching:
    """Looks for each block of an image near its place in another, without brightness and contrast.

    Blocks of one scene move alike. Those that match by chance move in any direction, so they do not count.
    """

    block: int  # side of a block, in pixels
    reach: int  # pixels that a block may have moved
    flat: float  # standard deviation of grey levels below which a block shows nothing
    found: float  # correlation from which a block counts as found
    least: int  # fewest blocks that show something

    def share_found(self, wanted: Grey, there: Grey) -> float | None:
        """The fraction of the blocks of one image that are found in the other, moved alike.

        Args:
            wanted: float32 ``[H, W]``; its sides are multiples of the block's.
            there: of the same shape.

        Returns:
            0 to 1; None where too few blocks show something.
        """
        reach, shown = self.reach, 0
        around = cv2.copyMakeBorder(there, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        width = self.block + 2 * reach
        moves: list[Sequence[int]] = []
        for y in range(0, wanted.shape[0], self.block):
            for x in range(0, wanted.shape[1], self.block):
                block = wanted[y : y + self.block, x : x + self.block]
                if block.std() < self.flat:
                    continue
                shown += 1
                match = cv2.matchTemplate(around[y : y + width, x : x + width], block, cv2.TM_CCOEFF_NORMED)
                _, best, _, place = cv2.minMaxLoc(match)
                if best > self.found:
                    moves.append(place)
        return _most_alike(moves) / shown if shown >= self.least else None


def _most_alike(moves: list[Sequence[int]]) -> int:
    """Size of the largest group of blocks that moved alike."""
    if not moves:
        return 0
    found = np.array(moves)  # [P, 2]
    apart = np.abs(found[:, None] - found[None]).max(2)  # [P, P]
    return int((apart <= _SAME_MOVE).sum(1).max())
