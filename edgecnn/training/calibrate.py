"""Fits what turns logits into probabilities that can be believed: one temperature, and the score below which nothing is claimed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.manifest import UnknownRule

__all__ = ["FALSE_REJECT_RATE", "fit_temperature", "fit_unknown"]

FALSE_REJECT_RATE = 0.05
"""Share of genuine pictures that may be called unknown, as a fraction."""

_LEAST_PICTURES = 40  # fewer cannot tell a 5 % quantile (two pictures below it)


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.integer]) -> float:
    """The temperature with the smallest NLL on ``[N, C]`` logits (Guo et al., arXiv 1706.04599), between 1/20 and 20.

    On pictures that all come out right the NLL falls without end as the temperature does, and nothing can be fitted: then it is 1.
    """
    if (logits.argmax(1) == truth).all():
        return 1.0
    z, y = torch.from_numpy(logits).double(), torch.from_numpy(truth.astype(np.int64))
    grid = torch.logspace(np.log10(0.05), np.log10(20), 400, dtype=torch.float64)
    nll = torch.stack([torch.nn.functional.cross_entropy(z / t, y) for t in grid])
    return round(float(grid[int(nll.argmin())]), 4)


def fit_unknown(probabilities: NDArray[np.floating], rate: float = FALSE_REJECT_RATE) -> UnknownRule:
    """The threshold on the largest probability that calls ``rate`` of these genuine pictures unknown; none where they are too few."""
    scores = np.sort(probabilities.max(1))
    rejected = int(rate * len(scores))
    if len(scores) < _LEAST_PICTURES:
        return UnknownRule()
    threshold = float(np.floor(scores[rejected] * 1e4) / 1e4)  # four digits, rounded to the side of answering
    return UnknownRule(threshold=threshold, false_reject_rate=round(float((scores < threshold).mean()), 4))
