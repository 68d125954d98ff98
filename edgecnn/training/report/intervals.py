"""95 % confidence intervals of metrics, over the evaluation images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import ECE_BINS, wilson_interval
from edgecnn.training.report.content import EvaluatedPart

__all__ = ["Interval", "Intervals", "intervals"]

Interval = tuple[float, float]
_DRAWS = 1000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Intervals:
    """Intervals of each metric; None if unknown."""

    top1: Interval
    top5: Interval | None
    macro_f1: Interval | None
    nll: Interval | None
    ece: Interval | None


def intervals(part: EvaluatedPart, seed: int = 0) -> Intervals:
    """Computes Wilson intervals for shares, bootstrap intervals (Efron 1979) for others; ``seed`` is for the draws."""
    metrics = part.metrics
    right = sum(row[i] for i, row in enumerate(metrics.confusion))
    top1 = wilson_interval(right, metrics.images)
    top5 = None if metrics.top5 is None else wilson_interval(round(metrics.top5 * metrics.images), metrics.images)
    if part.probabilities is None or part.truth is None or metrics.images < 2:
        return Intervals(top1=top1, top5=top5, macro_f1=None, nll=None, ece=None)
    drawn = _resampled(part.probabilities, part.truth, np.random.default_rng(seed))
    f1_low, f1_high = _spread(drawn[:, 0])
    if right == metrics.images:  # every draw is perfect, which tells nothing of the images that were not drawn
        f1_low = top1[0]
    return Intervals(
        top1=top1,
        top5=top5,
        macro_f1=(f1_low, f1_high),
        nll=_spread(drawn[:, 1]),
        ece=_reflected(metrics.ece, _spread(drawn[:, 2])),
    )


def _resampled(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], random: np.random.Generator
) -> NDArray[np.float64]:
    """Macro-F1, NLL and ECE of images drawn with replacement: ``[draws, 3]``."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(truth, np.intp)
    count, classes = p.shape
    answers, confidence = p.argmax(1), p.max(1)
    nll = -np.log(np.maximum(p[np.arange(count), y], 1e-12))  # as in the metrics
    bin_of = np.clip(np.ceil(confidence * ECE_BINS).astype(np.intp) - 1, 0, ECE_BINS - 1)
    gap = confidence - (answers == y)
    rows = np.empty((_DRAWS, 3))
    for i in range(_DRAWS):  # a draw at a time: all at once would take N x draws numbers
        drawn = random.integers(0, count, count)
        t, a = y[drawn], answers[drawn]
        total = np.bincount(t, minlength=classes) + np.bincount(a, minlength=classes)
        hits = np.bincount(t[t == a], minlength=classes)
        seen = total > 0
        rows[i] = (
            (2 * hits[seen] / total[seen]).mean(),
            nll[drawn].mean(),
            np.abs(np.bincount(bin_of[drawn], gap[drawn], ECE_BINS)).sum() / count,
        )
    return rows


def _spread(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, _TAILS)
    return float(low), float(high)


def _reflected(figure: float, drawn: Interval) -> Interval:
    """The basic bootstrap: draws of an ECE lie above it, as it lies above the truth, since noise in a bin is a gap.

    So they are mirrored.
    """
    return max(0.0, min(figure, 2 * figure - drawn[1])), max(figure, 2 * figure - drawn[0])
