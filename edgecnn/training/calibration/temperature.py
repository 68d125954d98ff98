"""Fits what turns logits into probabilities that can be believed: one temperature."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["fit_temperature"]

_PRIOR = 0.3  # deviation of log T around 0; docs/unknown.md has what others gave
_MIN_GAIN = 1.0  # nats, over all images: what one more parameter has to explain (Akaike 1974)


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.integer]) -> float:
    """The most probable temperature of ``[N, C]`` logits, between 1/20 and 20.

    1 where the images say too little against it.

    The NLL's own minimum (Guo et al., arXiv 1706.04599) hangs on the few images that come out wrong, and where none
    does it lies at 0. So ``log T`` has a normal prior around 0, which a hundred mistakes outweigh. And a network that
    is calibrated already is left alone: there any temperature is noise, and made the NLL of other images higher (solar
    cells).
    """
    z, y = torch.from_numpy(logits).double(), torch.from_numpy(truth.astype(np.int64))
    grid = torch.logspace(np.log10(0.05), np.log10(20), 400, dtype=torch.float64)
    nll = torch.stack([torch.nn.functional.cross_entropy(z / t, y, reduction="sum") for t in grid])
    cost = nll + grid.log() ** 2 / (2 * _PRIOR**2)
    unchanged = torch.nn.functional.cross_entropy(z, y, reduction="sum")
    best = int(cost.argmin())
    return round(float(grid[best]), 4) if float(unchanged - cost[best]) > _MIN_GAIN else 1.0
