"""Classification metrics from probabilities and true labels, in numpy.

The project computes them itself because devices evaluate models without torch. The tests compare each metric with
torchmetrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ClassMetrics",
    "Metrics",
    "compute_metrics",
    "ece_band",
    "expected_calibration_error",
    "mean_kl",
    "poisson_interval",
    "signal_to_noise_db",
    "wilson_interval",
]

ECE_BINS = 15
_MANY = 100
_TINY = 1e-12  # a probability of exactly 0 costs 27.6 nats instead of an infinity


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class. Precision is None if the class was never predicted, recall if it has no images."""

    label: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Metrics:
    """Metrics of a model on labelled images. Shares are fractions."""

    images: int
    top1: float
    top5: float | None  # None below five classes
    macro_f1: float  # over the classes that were shown or answered
    ece: float  # 15 bins of equal width; Guo et al., arXiv 1706.04599
    nll: float  # mean, in nats
    confusion: tuple[tuple[int, ...], ...]  # row: truth, column: answer
    per_class: tuple[ClassMetrics, ...]


def compute_metrics(probabilities: NDArray[np.floating], truth: Sequence[int], labels: Sequence[str]) -> Metrics:
    """Computes all metrics.

    Args:
        probabilities: ``[N, C]``, rows that sum to 1.
        truth: N class indices.
        labels: C names.
    """
    p = np.asarray(probabilities, np.float64)
    y = np.asarray(truth, np.intp)
    answers = p.argmax(1)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (y, answers), 1)
    per_class = tuple(_class_metrics(label, confusion, i) for i, label in enumerate(labels))
    seen = [c.f1 for c in per_class if c.f1 is not None]
    return Metrics(
        images=len(y),
        top1=float((answers == y).mean()),
        top5=float((np.argsort(-p, axis=1)[:, :5] == y[:, None]).any(1).mean()) if len(labels) >= 5 else None,
        macro_f1=float(np.mean(seen)),
        ece=expected_calibration_error(p, y),
        nll=float(-np.log(np.maximum(p[np.arange(len(y)), y], _TINY)).mean()),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        per_class=per_class,
    )


def _class_metrics(label: str, confusion: NDArray[np.int64], i: int) -> ClassMetrics:
    right, shown, answered = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
    return ClassMetrics(
        label=label,
        images=shown,
        precision=right / answered if answered else None,
        recall=right / shown if shown else None,
        f1=2 * right / (shown + answered) if shown + answered else None,
    )


def expected_calibration_error(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int = ECE_BINS
) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equal-width bins, by images."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    bin_of = _bins(confidence, bins)
    gaps = [
        abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(sum(gaps))


def ece_band(
    probabilities: NDArray[np.floating], seed: int = 0, bins: int = ECE_BINS, draws: int = 1000, share: float = 0.95
) -> tuple[float, float]:
    """Returns the range of the ECE that a perfectly calibrated model with these probabilities would have.

    The range covers 95 % of the ECE values for simulated true labels. The ECE of a small sample is above 0 even for a
    perfectly calibrated model; an ECE above this range is statistically significant. Method: consistency resampling,
    after Bröcker and Smith, "Increasing the Reliability of Reliability Diagrams" (2007), with the images held fixed.

    Args:
        probabilities: ``[N, C]``, rows that sum to 1.
        seed: of the simulation.
        bins: as for the ECE.
        draws: number of simulations.
        share: of the simulations inside the range, as a fraction.

    Returns:
        Lower and upper end.
    """
    confidence = np.asarray(probabilities, np.float64).max(1)
    found, place = np.unique(_bins(confidence, bins), return_inverse=True)
    random = np.random.default_rng(seed)
    simulated = np.empty(draws)
    for i in range(draws):  # a draw at a time: all at once would take N x draws numbers
        right = random.random(len(confidence)) < confidence  # an answer is right as often as it says
        simulated[i] = np.abs(np.bincount(place, confidence - right, len(found))).sum() / len(confidence)
    low, high = np.quantile(simulated, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _bins(confidence: NDArray[np.floating], bins: int) -> NDArray[np.intp]:
    """Returns the bin index of each confidence: (0, 1/bins], (1/bins, 2/bins], …"""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1))


def mean_kl(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> float:
    """Mean Kullback-Leibler divergence of the candidate from the reference, in nats; both ``[N, C]``.

    In its form for measures, ``p log(p / q) - p + q``, of which no term is negative: rows of float32 sum to 1 only
    nearly, and the common form then gives divergences below 0.
    """
    p, q = (np.maximum(np.asarray(a, np.float64), _TINY) for a in (reference, candidate))
    return max(0.0, float((p * (np.log(p) - np.log(q)) - p + q).sum(1).mean()))


def signal_to_noise_db(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> float | None:
    """Signal-to-quantization-noise ratio (SQNR) of the logits, in dB; None if reference and candidate are equal.

    It is the power of the reference's centred logits over the power of the difference. Centred logits are computed from
    probabilities: ``log p - mean(log p)``.
    """
    p, q = (np.log(np.maximum(np.asarray(a, np.float64), _TINY)) for a in (reference, candidate))
    p, q = p - p.mean(1, keepdims=True), q - q.mean(1, keepdims=True)
    noise = float(((p - q) ** 2).sum())
    return None if noise == 0 else float(10 * np.log10(max(float((p**2).sum()), _TINY) / noise))


def wilson_interval(right: float, of: float, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson 1927). It always lies within [0, 1].

    Fractions of images are for estimates that are worth so many.
    """
    if of == 0:
        return 0.0, 1.0
    share, spread = right / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z * ((share * (1 - share) + spread / 4) / of) ** 0.5 / (1 + spread)
    return (0.0 if right == 0 else max(0.0, middle - half)), (1.0 if right == of else min(1.0, middle + half))


def poisson_interval(events: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a Poisson mean, from the number of events counted.

    Garwood's exact interval (1936), solved numerically. From 100 events on, the approximation of Wilson and Hilferty
    (1931), which agrees to four digits there.
    """
    if events >= _MANY:
        low, high = (
            n * (1 - 1 / (9 * n) + side * z / (3 * n**0.5)) ** 3 for n, side in ((events, -1), (events + 1, 1))
        )
        return low, high
    return (0.0 if events == 0 else _mean_where(events - 1, 0.975)), _mean_where(events, 0.025)


def _mean_where(events: int, share: float) -> float:
    """Finds, by bisection, the Poisson mean for which P(X <= ``events``) is ``share``."""
    low, high = 1e-9, 10.0 + 2 * events
    for _ in range(60):
        middle = (low + high) / 2
        at_most = math.fsum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(events + 1))
        low, high = (middle, high) if at_most > share else (low, middle)
    return low
