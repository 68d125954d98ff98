"""Chooses int8 weights by the error of the layer output instead of the error of the weights.

Rounding each weight to the nearest integer minimises the error of the weights; what matters is the error of the output,
``(s q - w)ᵀ C (s q - w)`` for a channel with weights ``w``, integers ``q``, scale ``s`` and covariance ``C`` of the
quantized inputs under the kernel (Nagel et al., "Up or Down?", arXiv 2004.10568, derive it and relax it; with the few
weights of a depthwise channel coordinate descent on the integers finds a minimum directly). The mean is left out of
``C``: bias correction takes care of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rounded", "round_weights"]

_SCALES = np.concatenate([np.linspace(0.7, 1.0, 16), [1.03]])  # of the scale that just holds the largest weight
_PASSES = 8  # of coordinate descent; most channels stop after three
_RIDGE = 1e-3  # of the mean variance: what the images do not show must not decide
_LEVELS = 127


@dataclass(frozen=True)
class Rounded:
    """Integers ``[O, K]`` and a scale a channel ``[O]``."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]


def round_weights(
    weights: NDArray[np.floating], scales: NDArray[np.floating], covariance: NDArray[np.floating], levels: int = _LEVELS
) -> Rounded:
    """Finds the integers and scales with the least output error by coordinate descent, channel by channel.

    Args:
        weights: float ``[O, K]``.
        scales: ``[O]``, at which the largest weight of a channel is ``levels``.
        covariance: of the inputs under the kernel, ``[O, K, K]``, or ``[1, K, K]`` where all channels see the same
            inputs.
        levels: largest integer; its negative is the smallest.
    """
    exact = np.asarray(weights, np.float64)
    spread = _regular(np.asarray(covariance, np.float64))
    best_cost = np.full(len(exact), np.inf)
    best, best_scales = np.zeros(exact.shape), np.array(scales, np.float64)
    for tried in np.outer(_SCALES, np.asarray(scales, np.float64)):
        integers = _descend(exact, tried, spread, levels)
        cost = _cost(integers * tried[:, None] - exact, spread)
        better = cost < best_cost
        best_cost, best[better], best_scales[better] = (
            np.where(better, cost, best_cost),
            integers[better],
            tried[better],
        )
    return Rounded(best.astype(np.int8), best_scales.astype(np.float32))


def _regular(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    size = covariance.shape[1]
    variance = np.trace(covariance, axis1=1, axis2=2) / size
    return np.asarray(covariance + (_RIDGE * variance + 1e-12)[:, None, None] * np.eye(size))


def _descend(
    weights: NDArray[np.float64], scales: NDArray[np.float64], covariance: NDArray[np.float64], levels: int
) -> NDArray[np.float64]:
    """Sets each weight in turn to the best integer given the others, until none changes."""
    step = scales[:, None]
    integers = np.clip(np.round(weights / step), -levels, levels)
    diagonal = np.diagonal(covariance, axis1=1, axis2=2)  # [O or 1, K]
    for _ in range(_PASSES):
        before = integers.copy()
        for k in range(weights.shape[1]):
            error = integers * step - weights  # [O, K]
            others = (covariance[:, k] * error).sum(1) - diagonal[:, k] * error[:, k]
            wanted = weights[:, k] - others / diagonal[:, k]
            integers[:, k] = np.clip(np.round(wanted / scales), -levels, levels)
        if (integers == before).all():
            break
    return integers


def _cost(error: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(
        np.einsum("ok,okl,ol->o", error, np.broadcast_to(covariance, (len(error), *covariance.shape[1:])), error)
    )
