"""Tells whether two frames show the same scene, in microseconds: a camera that looks at one thing for an hour has seen
one thing."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGNATURE_LENGTH", "Signature", "same_scene", "scene_signature"]

Signature: TypeAlias = "NDArray[np.uint8]"
"""uint8 ``[256]``: levels of one colour channel, averaged over 16 x 16 parts of the frame."""

_SIDE = 16
SIGNATURE_LENGTH = _SIDE * _SIDE

_LOOKED_AT = 64  # pixels along each side; all of them would take milliseconds
_MOST_DIFFERENCE = 8  # levels, of any part: noise, encoding and flicker leave less; different solar cells have more
_LEAST_DIFFERENCE = 2  # of dark frames
_SHARE_OF_CONTRAST = 0.25  # of the standard deviation of the parts: in the dark, other scenes differ by less too


def scene_signature(image: NDArray[np.uint8]) -> Signature:
    """Of a frame, uint8 ``[H, W, 3]`` in any order of colours."""
    height, width = image.shape[:2]
    pixels = image[:: max(1, height // _LOOKED_AT), :: max(1, width // _LOOKED_AT), 1]
    parts = cv2.resize(np.ascontiguousarray(pixels), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(parts, np.uint8).reshape(-1)


def same_scene(known: NDArray[np.uint8], levels: NDArray[np.float32], signature: Signature) -> int | None:
    """Index of the most similar of N signatures where it shows the same scene; None: none does.

    Args:
        known: the signatures, ``[N, 256]``.
        levels: their means, ``[N]``.
        signature: to be found.
    """
    contrast = _SHARE_OF_CONTRAST * float(signature.std())
    limit = min(max(contrast, _LEAST_DIFFERENCE), _MOST_DIFFERENCE)
    # Parts that are alike have means that are alike: that leaves few to compare
    near = np.flatnonzero(np.abs(levels - signature.mean()) <= limit)
    if not len(near):
        return None
    rows = known[near]
    differences = cv2.absdiff(rows, np.broadcast_to(signature, rows.shape).copy()).max(1)
    found = int(differences.argmin())
    return int(near[found]) if differences[found] <= limit else None
