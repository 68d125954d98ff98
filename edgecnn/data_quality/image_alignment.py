"""Aligns one thumbnail with a part of another, and measures their similarity.

The transformation from an image to a crop of it has four parameters: a scale and a shift along each axis. Gauss-Newton
steps on the grey levels estimate them, together with a gain (Lucas and Kanade 1981; Baker and Matthews, "Lucas-Kanade
20 years on", part 3, 2003: low-order changes of brightness are projected out of image and gradients). All pairs of a
batch are processed together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment", "Floats", "align", "structure", "unit_rows"]

Floats = NDArray[np.floating[Any]]
"""float32."""

_COARSE_STEPS, _FINE_STEPS = 8, 4  # on thumbnails of half their side, then whole
_HOPELESS = 0.5  # of the target's variance unexplained after the coarse steps: copies never came above 0.2
_WORTH_A_FINER_LOOK = 0.4  # likeness after the coarse steps: half a pixel off, copies have more
_LONGEST_STEP = 0.1  # of a side
_FURTHEST = 0.35  # of a side lost at one edge: farther than that the steps have gone astray
# Standard deviation of the blur whose result counts as shading: exposure and vignetting, not what an image shows
_SHADING_PX = 2.9
_AT_ONCE = 32  # images whose structure is computed together: what lies between stays in a core's own cache


@dataclass(frozen=True)
class Alignment:
    """The alignment of B pairs of images."""

    # [B, 4] left, width, top, height of the part of the source that the target shows, as fractions of its sides
    windows: Floats
    likeness: Floats  # [B] correlation of the structure: 1 is the same image


def align(source: Floats, target: Floats, start: Floats, common: Floats) -> Alignment:
    """Finds the window of each source image that its target shows.

    Args:
        source: ``[B, S, S]`` grey levels.
        target: ``[B, S, S]``.
        start: ``[B, 4]`` initial windows; an error of about 5 % per edge is small enough.
        common: ``[M, S * S]``, orthonormal :func:`structure` that all images of the dataset share; it is ignored in the
            similarity. M may be 0.
    """
    windows, misfit = _search(
        _smoothed(_halved(source)), _smoothed(_halved(target)), start.astype(np.float32), _COARSE_STEPS
    )
    likeness = np.zeros(len(windows), np.float32)
    near = np.nonzero(misfit < _HOPELESS)[0]
    if len(near):
        likeness[near] = _likeness(source[near], target[near], windows[near], common)
    near = np.nonzero(likeness > _WORTH_A_FINER_LOOK)[0]
    if len(near):
        windows[near], _ = _search(_smoothed(source[near]), _smoothed(target[near]), windows[near], _FINE_STEPS)
        likeness[near] = _likeness(source[near], target[near], windows[near], common)
    return Alignment(windows, likeness)


def structure(images: Floats) -> Floats:
    """Returns the structure of images: ``[B, S, S]`` grey levels -> ``[B, S * S]``.

    Shading and noise are removed. Rows have length 1, or 0 if the image has no structure.
    """
    blur = _blur(images.shape[1], _SHADING_PX)
    found: Floats = np.empty((len(images), images.shape[1] * images.shape[2]), np.float32)
    for i in range(0, len(images), _AT_ONCE):
        smooth = _smoothed(images[i : i + _AT_ONCE])
        flat = (smooth - blur @ smooth @ blur.T).reshape(len(smooth), -1)
        found[i : i + _AT_ONCE] = unit_rows(flat - flat.mean(1, keepdims=True))
    return found


def _likeness(source: Floats, target: Floats, windows: Floats, common: Floats) -> Floats:
    across, down = _sampling(windows[:, :2], source.shape[1])[0], _sampling(windows[:, 2:], source.shape[1])[0]
    seen, wanted = structure(down @ source @ across.transpose(0, 2, 1)), structure(target)
    if len(common):
        seen, wanted = (unit_rows(x - (x @ common.T) @ common) for x in (seen, wanted))
    return np.asarray((seen * wanted).sum(1), np.float32)


def _search(source: Floats, target: Floats, start: Floats, steps: int) -> tuple[Floats, Floats]:
    """Returns the best windows found, ``[B, 4]``, and their residuals, ``[B]``.

    A step that increases the residual is undone and shortened.
    """
    best, change = start.copy(), np.zeros_like(start)
    misfit = np.full(len(start), np.inf, np.float32)
    for _ in range(steps):
        tried = _moved(best, change)
        next_misfit, next_change = _step(source, target, tried)
        better = next_misfit < misfit
        best[better], misfit[better], change[better] = tried[better], next_misfit[better], next_change[better]
        change[~better] *= 0.3
    return best, misfit


def _moved(windows: Floats, change: Floats) -> Floats:
    moved = windows + np.clip(change, -_LONGEST_STEP, _LONGEST_STEP)
    moved[:, 0::2] = np.clip(moved[:, 0::2], -_FURTHEST, _FURTHEST)
    moved[:, 1::2] = np.clip(moved[:, 1::2], 1 - 2 * _FURTHEST, 1 + 2 * _FURTHEST)
    return moved


def _step(source: Floats, target: Floats, windows: Floats) -> tuple[Floats, Floats]:
    """Returns the relative residual of the windows, ``[B]``, and the Gauss-Newton step, ``[B, 4]``."""
    batch, side, _ = source.shape
    across, across_slope = _sampling(windows[:, :2], side)
    down, down_slope = _sampling(windows[:, 2:], side)
    rows = down @ source  # [B, S, S]
    across = across.transpose(0, 2, 1)
    warped, by_x, by_y = rows @ across, rows @ across_slope.transpose(0, 2, 1), (down_slope @ source) @ across
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    a = np.stack([by_x, by_x * place, by_y, by_y * place[:, None], warped], 1).reshape(batch, 5, -1)
    b = target.reshape(batch, -1)
    shading = _shading(side)
    a = a - (a @ shading.T) @ shading
    b = b - (b @ shading.T) @ shading
    slopes, w = a[:, :4], a[:, 4]
    power = np.maximum((w * w).sum(1), 1e-3)
    gain = (w * b).sum(1) / power
    rest = b - gain[:, None] * w  # [B, S * S]
    misfit = (rest * rest).sum(1) / np.maximum((b * b).sum(1), 1e-3)
    # The gain is solved for along with the change
    slopes = slopes - ((slopes @ w[:, :, None]) / power[:, None, None]) * w[:, None]
    normal = slopes @ slopes.transpose(0, 2, 1)
    normal += np.eye(4, dtype=np.float32) * (1e-3 * np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1))[:, None]
    change = np.linalg.solve(normal, slopes @ rest[:, :, None])[:, :, 0]
    lit = np.abs(gain) > 0.05
    return misfit, change * np.where(lit, 1 / np.where(lit, gain, 1), 0)[:, None]


def _sampling(window: Floats, side: int) -> tuple[Floats, Floats]:
    """Linear interpolation along one axis as matrices ``[B, S, S]`` (target by source), and their derivatives by
    position."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    at = np.clip((window[:, :1] + window[:, 1:] * place) * side - 0.5, 0, side - 1.001)  # [B, S]
    low = at.astype(np.int64)
    part = (at - low).astype(np.float32)
    weights = np.zeros((*at.shape, side), np.float32)
    slopes = np.zeros_like(weights)
    b, row = np.indices(at.shape)
    weights[b, row, low], weights[b, row, low + 1] = 1 - part, part
    slopes[b, row, low], slopes[b, row, low + 1] = -side, side
    return weights, slopes


@lru_cache
def _shading(side: int) -> Floats:
    """Orthonormal polynomials up to the second degree, ``[6, S * S]``."""
    y, x = np.indices((side, side)).reshape(2, -1) / (side - 1) - 0.5
    return np.ascontiguousarray(
        np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1))[0].T, np.float32
    )


@lru_cache
def _blur(side: int, sigma: float) -> Floats:
    """A Gaussian along one axis as a matrix ``[S, S]``; rows are normalized at the edges."""
    distance = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _smoothed(images: Floats) -> Floats:
    """Removes the finest structure, which compression and resizing change."""
    blur = _blur(images.shape[1], 0.7)
    return np.asarray(blur @ images @ blur.T)


def _halved(images: Floats) -> Floats:
    batch, side, _ = images.shape
    return np.asarray(images.reshape(batch, side // 2, 2, side // 2, 2).mean((2, 4)))


def unit_rows(rows: Floats) -> Floats:
    """``[N, D]`` with rows of length 1; rows of zeros stay."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
