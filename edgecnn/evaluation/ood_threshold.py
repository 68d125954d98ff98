"""The threshold of the rule by which a model says `unknown`.

Fitted where a model is trained and again where it is quantized.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.manifest import UnknownRule

__all__ = ["FALSE_REJECT_RATE", "fit_threshold", "rejected", "threshold_beyond"]

FALSE_REJECT_RATE = 0.05
"""Share of genuine images that may be called unknown, as a fraction."""


def rejected(rule: UnknownRule, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of ``[N]`` scores the rule calls unknown."""
    return np.asarray(scores > rule.threshold if rule.in_graph else scores < rule.threshold)


def fit_threshold(rule: UnknownRule, scores: NDArray[np.floating], rate: float = FALSE_REJECT_RATE) -> UnknownRule:
    """The rule with a threshold that ``rate`` of new genuine images are expected to fall to at most, and its share of
    these.

    The rank is that of split conformal prediction (Angelopoulos and Bates, arXiv 2107.07511): ``floor(rate (N + 1)) -
    1`` of the images lie beyond the threshold.

    Args:
        rule: names the score, and so which side is unknown.
        scores: ``[N]`` of genuine images that nothing else was fitted on.
        rate: a fraction.
    """
    fitted = threshold_beyond(rule, scores, max(math.floor(rate * (len(scores) + 1) + 1e-9) - 1, 0))
    return replace(fitted, false_reject_rate=round(float(rejected(fitted, scores).mean()), 4))


def threshold_beyond(rule: UnknownRule, scores: NDArray[np.floating], beyond: int) -> UnknownRule:
    """The rule with the threshold that ``beyond`` of ``[N]`` scores fall to.

    Fewer where scores are equal in the first four digits.
    """
    sign = 1.0 if rule.in_graph else -1.0
    unknownness = np.sort(sign * np.asarray(scores, np.float64))
    edge = unknownness[max(len(unknownness) - 1 - beyond, 0)]
    # Four digits, rounded to the side of answering
    return replace(rule, threshold=round(sign * math.ceil(edge * 1e4) / 1e4, 4))
