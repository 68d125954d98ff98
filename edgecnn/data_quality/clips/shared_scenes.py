"""Finds the held-out clips that show a scene of the training clips, whatever moves in it.

Two clips of one scene share their background. So their views (thumbnails) are compared block by block, without lighting
and coarse shades, and blocks that an object covers do not count against the others. First a matrix product finds the
training view that is most similar to each held-out view. Then each block is searched for near its place. In two views
of one scene, many blocks are found, all shifted alike, since the camera may have moved a little.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE
from edgecnn.image.block_matching import BlockMatching

__all__ = ["find_shared_scenes"]

_COARSE = 6.0  # standard deviation in pixels of the blur that is subtracted: lighting, not structure
_FLAT = 4.0  # standard deviation of grey levels below which a block shows nothing
_BLOCKS = BlockMatching(block=16, reach=5, flat=_FLAT, found=0.7, least=6)
_SHARED = 0.4  # fraction of the blocks from which two views show one scene
_ROWS = 1024  # held-out views compared at once

Floats = NDArray[np.float32]


def find_shared_scenes(views: NDArray[np.uint8], held_out: NDArray[np.bool_]) -> dict[int, int]:
    """Finds a training clip of the same scene for each held-out clip that has one.

    Args:
        views: of each clip, uint8 ``[N, V, 64, 64]`` of :func:`edgecnn.data_quality.thumbnail.thumbnail`.
        held_out: ``[N]``; the other clips are training clips.

    Returns:
        Index of the held-out clip -> index of the training clip.
    """
    each = views.shape[1]
    structure = np.stack([_structure(view) for view in views.reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE)])
    clip = np.repeat(np.arange(len(views)), each)
    trained, tested = (np.nonzero(held_out[clip] == side)[0] for side in (False, True))
    if not len(trained) or not len(tested):
        return {}
    found: dict[int, tuple[float, int]] = {}
    for one, other in zip(tested, trained[_nearest(structure, tested, trained)], strict=True):
        views_of_both = structure[one], structure[other]
        shares = [_BLOCKS.share_found(*pair) or 0.0 for pair in (views_of_both, views_of_both[::-1])]
        share = min(shares)  # either way: a plain view has few blocks to find
        if share >= _SHARED and share > found.get(int(clip[one]), (0.0, 0))[0]:
            found[int(clip[one])] = share, int(clip[other])
    return {place: twin for place, (_, twin) in sorted(found.items())}


def _structure(view: NDArray[np.uint8]) -> Floats:
    """A thumbnail without lighting and coarse shades, float32 ``[64, 64]``."""
    grey = view.astype(np.float32)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), _COARSE), np.float32)


def _nearest(structure: Floats, tested: NDArray[np.intp], trained: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each of ``tested``, the position in ``trained`` of the most similar view."""
    described = _described(structure)
    targets = described[trained].T
    best = [np.argmax(described[tested[a : a + _ROWS]] @ targets, axis=1) for a in range(0, len(tested), _ROWS)]
    return np.concatenate(best)


def _described(structure: Floats) -> Floats:
    """A descriptor of each view at half the resolution, ``[M, 1024]``.

    All blocks have the same weight, so an object changes only the share of the blocks that it covers.
    """
    side, block = THUMBNAIL_SIDE // 2, _BLOCKS.block // 2
    small = structure.reshape(-1, side, 2, side, 2).mean((2, 4))  # [M, 32, 32]
    parts = small.reshape(-1, side // block, block, side // block, block).transpose(0, 1, 3, 2, 4)
    parts = parts.reshape(len(parts), -1, block * block)  # [M, 16, 64]
    parts = parts - parts.mean(2, keepdims=True)
    length = np.maximum(np.linalg.norm(parts, axis=2, keepdims=True), _FLAT * block)
    return np.asarray((parts / length).reshape(len(parts), -1), np.float32)
