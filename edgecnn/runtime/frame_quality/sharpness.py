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
_MIN_CONTRAST = 16  # grey levels; a line without is a wall, fog or night, of which nothing can be said
_MIN_LINES = 4  # one in so many must have contrast


def sharpness(image: Image, columns: NDArray[np.uint8]) -> float | None:
    """The steepest step of a line between neighbouring points, over its largest change within eight.

    Of a blurred edge an eighth to a quarter.

    Both are largest values, not means: contrast cancels out, and noise, which is everywhere but small, hardly counts.
    Of all lines with contrast the upper quarter decides, since a sharp object may stand before a blurred ground; of the
    two directions the softer one, since movement blurs one.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of it in full height.

    Returns:
        None where too few lines have contrast in either direction.
    """
    found = [s for s in (_steepness(_across(image)), _steepness(_down(columns))) if s is not None]
    return min(found, default=None)


def _across(image: Image) -> NDArray[np.uint8] | None:
    """16 bands of rows as lines of 160 points, ``[160, 16]``."""
    height, width = image.shape[:2]
    step = height // _BANDS
    if step < _BAND_ROWS or width < _ALONG:
        return None
    # [16, 2 W, 3]: nothing is copied
    bands = image[: _BANDS * step].reshape(_BANDS, step * width, 3)[:, : _BAND_ROWS * width]
    rows = cv2.extractChannel(bands, 1).reshape(_BANDS * _BAND_ROWS, width)  # green: the most of a sensor's pixels
    lines = cv2.resize(rows, (_ALONG, _BANDS), interpolation=cv2.INTER_AREA)  # [16, 160]
    return cast("NDArray[np.uint8]", cv2.transpose(lines))  # OpenCV is ten times quicker down than across


def _down(columns: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Columns as lines of 120 points, ``[120, C]``."""
    if len(columns) < _DOWN:
        return None
    return cast("NDArray[np.uint8]", cv2.resize(columns, (columns.shape[1], _DOWN), interpolation=cv2.INTER_AREA))


def _steepness(lines: NDArray[np.uint8] | None) -> float | None:
    """Of ``[P, L]``: L lines of P points."""
    if lines is None:
        return None
    near, far = _largest(cv2.absdiff(lines[1:], lines[:-1])), _largest(cv2.absdiff(lines[_LAG:], lines[:-_LAG]))
    steepness = sorted([n / f for n, f in zip(near, far, strict=True) if f >= _MIN_CONTRAST])
    return steepness[len(steepness) * 3 // 4] if len(steepness) * _MIN_LINES >= len(near) else None


def _largest(steps: cv2.typing.MatLike) -> list[int]:
    """Of each line's."""
    largest: list[int] = cv2.reduce(steps, 0, cv2.REDUCE_MAX)[0].tolist()
    return largest
