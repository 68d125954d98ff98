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

from exporters.quantization.rounding.pair_limit import LEVELS, hold_partners, room

__all__ = ["Rounded", "round_weights"]

_SCALES = np.concatenate([np.linspace(0.7, 1.0, 16), [1.03]])  # of the scale that just holds the largest weight
_COARSER = np.array([1.15, 1.3, 1.5, 1.75, 2.0])  # tried too where the sums of pairs are limited
_PASSES = 8  # of coordinate descent; most channels stop after three
_RIDGE = 1e-3  # of the mean variance: what the images do not show must not decide

Partners = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Rounded:
    """Integers ``[O, K]`` and a scale a channel ``[O]``."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]


def round_weights(
    weights: NDArray[np.floating],
    scales: NDArray[np.floating],
    covariance: NDArray[np.floating],
    partners: Partners = (),
) -> Rounded:
    """Finds the integers and scales with the least output error by coordinate descent, channel by channel.

    Args:
        weights: float ``[O, K]``.
        scales: ``[O]``, at which the largest weight of a channel is :data:`LEVELS`.
        covariance: of the inputs under the kernel, ``[O, K, K]``, or ``[1, K, K]`` where all channels see the same
            inputs.
        partners: of each weight, the places of those that its sum with is limited
            (:mod:`exporters.quantization.rounding.pair_limit`); empty: nothing is.
    """
    exact = np.asarray(weights, np.float64)
    spread = _regular(np.asarray(covariance, np.float64))
    tried = np.outer(np.concatenate([_SCALES, _COARSER]) if partners else _SCALES, scales)  # [S, O]
    integers = _descend(exact, tried, spread, partners)  # [S, O, K]
    best = _cost(integers * tried[..., None] - exact, spread).argmin(0), np.arange(len(exact))
    return Rounded(integers[best].astype(np.int8), tried[best].astype(np.float32))


def _regular(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    size = covariance.shape[1]
    variance = np.trace(covariance, axis1=1, axis2=2) / size
    return np.asarray(covariance + (_RIDGE * variance + 1e-12)[:, None, None] * np.eye(size))


def _descend(
    weights: NDArray[np.float64],
    scales: NDArray[np.float64],
    covariance: NDArray[np.float64],
    partners: Partners,
) -> NDArray[np.float64]:
    """Sets each weight in turn to the best integer given the others, until none changes: ``[S, O, K]`` for scales
    ``[S, O]``."""
    step = scales[..., None]
    integers = np.clip(np.round(weights / step), -LEVELS, LEVELS)
    hold_partners(integers, partners)
    error = integers * step - weights
    diagonal = np.diagonal(covariance, axis1=1, axis2=2)  # [O or 1, K]
    for _ in range(_PASSES):
        before = integers.copy()
        for k in range(weights.shape[1]):
            others = _weighted(covariance[:, k], error) - diagonal[:, k] * error[..., k]
            wanted = weights[:, k] - others / diagonal[:, k]
            low, high = room(integers, partners[k]) if partners else (-LEVELS, LEVELS)
            integers[..., k] = np.clip(np.round(wanted / scales), low, high)
            error[..., k] = integers[..., k] * scales - weights[:, k]
        if (integers == before).all():
            break
    return integers


def _cost(error: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of errors ``[S, O, K]``: ``[S, O]``."""
    by_channel = error.transpose(1, 0, 2)  # [O, S, K]
    return np.asarray(((by_channel @ covariance) * by_channel).sum(2).T)


def _weighted(factors: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over ``K``: ``[S, O]`` from ``[O or 1, K]`` and ``[S, O, K]``."""
    factors = np.broadcast_to(factors, error.shape[1:])
    return np.asarray(np.einsum("ok,sok->so", factors, error))
