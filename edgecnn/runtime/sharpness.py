"""How sharp a frame is, whatever it shows and however noisy its sensor is."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["sharpness"]

_BANDS, _BAND_ROWS = 16, 2  # bands of rows, each averaged
_ALONG, _DOWN = 160, 120  # points a line: what networks see is hardly finer
_LAG = 8  # points: further apart than a strong blur reaches
_LEAST_CONTRAST = 16  # grey levels; a line without is a wall, fog or night, of which nothing can be said
_LEAST_LINES = 4  # one in so many must have contrast


def sharpness(image: Image, columns: NDArray[np.uint8]) -> float | None:
    """The steepest step of a line between neighbouring points, over its largest change within eight: of a blurred edge an eighth to a quarter.

    Both are largest values, not means: contrast cancels out, and noise, which is everywhere but small, hardly counts. Of all lines with contrast
    the upper quarter decides, since a sharp object may stand before a blurred ground; of the two directions the softer one, since movement blurs one.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of it in full height.

    Returns:
        None where too few lines have contrast in either direction.
    """
    found = [s for s in (_steepness(_bands(image)), _steepness(_lines(columns))) if s is not None]
    return min(found, default=None)


def _bands(image: Image) -> NDArray[np.uint8] | None:
    height, width = image.shape[:2]
    step = height // _BANDS
    if step < _BAND_ROWS or width < _ALONG:
        return None
    bands = image[: _BANDS * step].reshape(_BANDS, step, width, 3)[:, :_BAND_ROWS]  # [16, 2, W, 3]
    rows = cv2.extractChannel(bands.reshape(_BANDS * _BAND_ROWS, width, 3), 1)  # green: the most of a sensor's pixels
    return cast("NDArray[np.uint8]", cv2.resize(rows, (_ALONG, _BANDS), interpolation=cv2.INTER_AREA))  # [16, 160]


def _lines(columns: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    if len(columns) < _DOWN:
        return None
    points = cv2.resize(columns, (columns.shape[1], _DOWN), interpolation=cv2.INTER_AREA)  # [120, C]
    return np.ascontiguousarray(points.T)


def _steepness(lines: NDArray[np.uint8] | None) -> float | None:
    """Of ``[L, P]``."""
    if lines is None:
        return None
    near, far = (np.asarray(cv2.absdiff(lines[:, lag:], lines[:, :-lag])).max(axis=1) for lag in (1, _LAG))
    telling = far >= _LEAST_CONTRAST
    steepness = np.sort(near[telling] / far[telling])
    return float(steepness[len(steepness) * 3 // 4]) if len(steepness) * _LEAST_LINES >= len(lines) else None
