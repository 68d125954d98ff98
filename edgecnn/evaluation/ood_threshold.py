"""Fits the rejection threshold of the unknown rule, in training and again in quantization."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.manifest import UnknownRule

__all__ = ["FALSE_REJECT_RATE", "fit_threshold", "rejected", "threshold_beyond"]

FALSE_REJECT_RATE = 0.05
"""False reject rate: share of in-distribution images that may be rejected as unknown, as a fraction."""


def rejected(rule: UnknownRule, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns which of ``[N]`` scores the rule rejects as unknown, bool ``[N]``."""
    return np.asarray(scores > rule.threshold if rule.in_graph else scores < rule.threshold)


def fit_threshold(rule: UnknownRule, scores: NDArray[np.floating], rate: float = FALSE_REJECT_RATE) -> UnknownRule:
    """Returns the rule with a threshold whose expected false reject rate is at most ``rate``, and with its actual rate.

    The rank is that of split conformal prediction (Angelopoulos and Bates, arXiv 2107.07511): ``floor(rate (N + 1)) -
    1`` of the images are rejected.

    Args:
        rule: defines the score, and thereby which side of the threshold is unknown.
        scores: ``[N]`` of in-distribution images that were not used for fitting anything else.
        rate: false reject rate, as a fraction.
    """
    fitted = threshold_beyond(rule, scores, max(math.floor(rate * (len(scores) + 1) + 1e-9) - 1, 0))
    return replace(fitted, false_reject_rate=round(float(rejected(fitted, scores).mean()), 4))


def threshold_beyond(rule: UnknownRule, scores: NDArray[np.floating], beyond: int) -> UnknownRule:
    """Returns the rule with the threshold that rejects ``beyond`` of ``[N]`` scores.

    It rejects fewer if scores are equal in their first four digits.
    """
    sign = 1.0 if rule.in_graph else -1.0
    unknownness = np.sort(sign * np.asarray(scores, np.float64))
    edge = unknownness[max(len(unknownness) - 1 - beyond, 0)]
    # Four digits, rounded so that fewer images are rejected
    return replace(rule, threshold=round(sign * math.ceil(edge * 1e4) / 1e4, 4))
