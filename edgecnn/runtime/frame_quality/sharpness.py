"""Measures the sharpness of a frame, independent of its content and its noise."""

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
    """Returns the largest step between neighbouring points of a line over the largest change within eight points.

    For a blurred edge the value is 1/8 to 1/4. Both are maxima, so contrast cancels out and noise has little effect.
    The result is the upper quartile over all lines with contrast, because a sharp object may be in front of a blurred
    background, and the smaller value of the two directions, because motion blurs only one.

    Args:
        image: uint8 ``[H, W, 3]``.
        columns: uint8 ``[R, C]``, columns of the image in full height.

    Returns:
        The sharpness, or None if too few lines have contrast in both directions.
    """
    found = [s for s in (_steepness(_across(image)), _steepness(_down(columns))) if s is not None]
    return min(found, default=None)


def _across(image: Image) -> NDArray[np.uint8] | None:
    """Returns 16 bands of rows as lines of 160 points, ``[160, 16]``."""
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
    """Returns columns as lines of 120 points, ``[120, C]``."""
    if len(columns) < _DOWN:
        return None
    return cast("NDArray[np.uint8]", cv2.resize(columns, (columns.shape[1], _DOWN), interpolation=cv2.INTER_AREA))


def _steepness(lines: NDArray[np.uint8] | None) -> float | None:
    """Returns the sharpness of ``[P, L]``: L lines of P points."""
    if lines is None:
        return None
    near, far = _largest(cv2.absdiff(lines[1:], lines[:-1])), _largest(cv2.absdiff(lines[_LAG:], lines[:-_LAG]))
    steepness = sorted([n / f for n, f in zip(near, far, strict=True) if f >= _MIN_CONTRAST])
    return steepness[len(steepness) * 3 // 4] if len(steepness) * _MIN_LINES >= len(near) else None


def _largest(steps: cv2.typing.MatLike) -> list[int]:
    """Returns the largest step of each line."""
    largest: list[int] = cv2.reduce(steps, 0, cv2.REDUCE_MAX)[0].tolist()
    return largest
