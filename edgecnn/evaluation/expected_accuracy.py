"""Estimates a model's accuracy from frames without labels, and says where they drift from what it was taught on.

On frames like the taught ones, calibrated probabilities tell how often the model is right. On others they are too high,
so the estimate counts only as long as nothing says that the frames are others: neither the share of frames that the
model calls unknown, nor the mean of their features. docs/expected-accuracy.md has what that is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ManifestError
from edgecnn.evaluation.metrics import wilson_interval
from edgecnn.evaluation.threshold_origin import ThresholdOrigin
from edgecnn.features.class_shift import ClassShift
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.manifest import Manifest

__all__ = ["FEWEST_SCENES", "AccuracyReference", "Evidence", "ExpectedAccuracy", "expected_accuracy"]

FEWEST_SCENES = 20
"""Different scenes; with fewer there is no estimate."""

LARGEST_SHIFT = 0.25
"""Of the mean features, in deviations within a class: a larger one is drift."""

MOST_EXCESS = 0.05
"""Share of unknown frames above the expected one: a larger one is drift."""

_LEVEL = 0.01  # false alarms of each of the two tests
_LEVEL_Z = 2.326  # the same as a quantile of the normal distribution
_FEW = 40  # validation images of a training run that had too few for a threshold

_UNCALIBRATED = (
    "the model was neither trained nor taught here, so nothing tells whether its probabilities match how often it is "
    "right; teach it (`edgecnn teach`)"
)


@dataclass(frozen=True, eq=False)
class AccuracyReference:
    """What a model file tells of the images that it was taught."""

    images: int | None  # that its probabilities were calibrated on; None: on none, as far as it tells
    threshold: ThresholdOrigin | None  # None: its unknown rule is off
    shift: ClassShift | None  # None: it has no statistics of its classes

    @classmethod
    def of(cls, manifest: Manifest, statistics: ClassStatistics | None) -> AccuracyReference:
        """Of a model file.

        Args:
            manifest: of the file.
            statistics: of its classes; None: it has none.

        Raises:
            ManifestError: the statistics are of other classes.
        """
        if statistics is not None and len(statistics.counts) != len(manifest.labels):
            raise ManifestError("the statistics of the classes do not fit the model; export the model again")
        threshold = ThresholdOrigin.of(manifest.unknown)
        images = None
        if manifest.taught is not None:
            images = manifest.taught.images
        elif threshold is not None:
            images = threshold.images
        elif manifest.training.val_top1 is not None:
            images = _FEW
        return cls(images, threshold, None if statistics is None else ClassShift.of(statistics))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What frames tell. The means are over scenes: frames that show the same scene count as one."""

    frames: int
    scenes: int
    confidence: float  # mean of the largest probabilities
    unknown_share: float | None  # None: the model's rule is off
    residual: NDArray[np.floating] | None = None  # [k], mean of ClassShift.residuals
    residual_variance: float = 1.0  # of one scene's, mean over the directions
    shares: NDArray[np.floating] | None = None  # [C], mean probabilities


@dataclass(frozen=True)
class ExpectedAccuracy:
    """The estimate. Shares are fractions."""

    expected_top1: float | None  # None: no interval, or an alarm
    interval: tuple[float, float] | None  # 95 %; None: too few scenes, or probabilities that were never calibrated
    frames: int
    scenes: int
    unknown_share: float | None
    shift: float | None  # of the mean features, in deviations within a class
    alarm: bool | None  # the frames are others than what the model was taught on; None: nothing says so, but it may be
    reason: str | None  # of the alarm, or why there is no estimate or no alarm


def expected_accuracy(evidence: Evidence, reference: AccuracyReference) -> ExpectedAccuracy:
    """Estimates the accuracy on the frames that the evidence comes from.

    The interval holds sampling, the calibration on a limited number of images, another mixture of classes, and doubt: a
    share of the answers that may be all wrong or all right. It is as large as the excess of unknown frames or the shift
    of the features, whichever is larger.
    """
    n = evidence.scenes
    if n < FEWEST_SCENES:
        return _estimate(evidence, None, f"{n} different scenes are too few: at least {FEWEST_SCENES} are needed")
    excess, shift = _excess(evidence, reference), _shift(evidence, reference)
    drift = _drift(evidence, reference, excess, shift)
    if reference.images is None:
        return _estimate(evidence, shift, "; ".join([*drift, _UNCALIBRATED]), alarm=True if drift else None)
    interval = _interval(evidence, reference.images, reference, min(1.0, max(excess, shift or 0.0)))
    if drift:
        return _estimate(evidence, shift, "; ".join(drift), interval, alarm=True)
    if shift is None:
        return _estimate(evidence, shift, _blind(reference), interval, evidence.confidence)
    return _estimate(evidence, shift, None, interval, evidence.confidence, alarm=False)


def _drift(evidence: Evidence, reference: AccuracyReference, excess: float, shift: float | None) -> list[str]:
    """Why the frames are others than the taught ones; empty: nothing says so."""
    reasons = []
    threshold, share = reference.threshold, evidence.unknown_share
    if threshold is not None and share is not None and excess > MOST_EXCESS:
        usual, frequency = _usual_share(evidence, reference, threshold), _frequency(evidence, reference)
        count = math.floor(share * evidence.scenes + 1e-9)
        if count > frequency * threshold.most_usual(evidence.scenes, _LEVEL):
            reasons.append(
                f"{100 * share:.0f} % of the frames are unknown to the model, {100 * usual:.0f} % would be usual"
            )
    if shift is not None and shift > LARGEST_SHIFT and _more_than_chance(evidence, reference):
        reasons.append(f"the mean of the features has moved by {shift:.2f} deviations")
    return reasons


def _blind(reference: AccuracyReference) -> str:
    seen = "only by the share of unknown frames" if reference.threshold is not None else "not at all"
    return (
        f"the file has no statistics of its classes, so drift can be seen {seen}: the estimate holds only for frames "
        "like those that the model was taught on"
    )


def _estimate(
    evidence: Evidence,
    shift: float | None,
    reason: str | None,
    interval: tuple[float, float] | None = None,
    expected: float | None = None,
    *,
    alarm: bool | None = None,
) -> ExpectedAccuracy:
    return ExpectedAccuracy(
        expected, interval, evidence.frames, evidence.scenes, evidence.unknown_share, shift, alarm, reason
    )


def _excess(evidence: Evidence, reference: AccuracyReference) -> float:
    """Share of unknown frames above the usual one, of the frames that are not usually unknown."""
    if reference.threshold is None or evidence.unknown_share is None:
        return 0.0
    usual = _usual_share(evidence, reference, reference.threshold)
    return max(0.0, (evidence.unknown_share - usual) / (1 - usual))


def _usual_share(evidence: Evidence, reference: AccuracyReference, threshold: ThresholdOrigin) -> float:
    """The largest share of unknown frames to be expected in this mixture of classes: all may be of one class."""
    return min(0.5, threshold.expected_rate * _frequency(evidence, reference))


def _frequency(evidence: Evidence, reference: AccuracyReference) -> float:
    """How many times as frequent as in the taught images a class is at most; 1: the mixture is as taught."""
    if reference.shift is None or evidence.shares is None or not _other_mixture(evidence, reference):
        return 1.0
    taught = reference.shift.counts / reference.shift.counts.sum()
    return max(1.0, float((evidence.shares / taught).max()))


def _shift(evidence: Evidence, reference: AccuracyReference) -> float | None:
    """The shift of the mean features, less what chance gives; None: the file has no statistics."""
    squared, chance = _squared_shift(evidence, reference)
    return None if squared is None else math.sqrt(max(0.0, squared - chance))


def _more_than_chance(evidence: Evidence, reference: AccuracyReference) -> bool:
    squared, chance = _squared_shift(evidence, reference)
    if squared is None or evidence.residual is None:
        return False
    directions = len(evidence.residual)
    return squared > chance * _chi_square_quantile(directions) / directions


def _squared_shift(evidence: Evidence, reference: AccuracyReference) -> tuple[float | None, float]:
    """The mean square of the shift over the directions, and what chance gives of it."""
    if reference.shift is None or evidence.residual is None or evidence.shares is None:
        return None, 0.0
    squared = float((np.asarray(evidence.residual, np.float64) ** 2).mean())
    # Frames with outliers vary more than the taught images did
    spread = max(1.0, evidence.residual_variance)
    return squared, spread / evidence.scenes + reference.shift.mean_variance(evidence.shares)


def _chi_square_quantile(degrees: int) -> float:
    """That of the level of the tests (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + _LEVEL_Z * math.sqrt(spread)) ** 3)


def _interval(
    evidence: Evidence, calibrated_on: int, reference: AccuracyReference, doubt: float
) -> tuple[float, float]:
    # As of an accuracy that was measured on so many images
    worth = 1 / (1 / evidence.scenes + 1 / calibrated_on)
    low, high = wilson_interval(evidence.confidence * worth, worth)
    factor = 1 + 2 * _other_mixture(evidence, reference)
    low, high = max(0.0, 1 - (1 - low) * factor), 1 - (1 - high) / factor
    # The accuracy on these frames is a whole number of them
    high = math.ceil(high * evidence.scenes - 1e-9) / evidence.scenes
    low = math.floor(low * evidence.scenes + 1e-9) / evidence.scenes
    return low * (1 - doubt), high + doubt * (1 - high)


def _other_mixture(evidence: Evidence, reference: AccuracyReference) -> float:
    """How far the mixture of classes is from the taught one, less what chance gives: half the sum of the differences.

    Some classes have more errors than others. Of two classes that were alike in number, one that comes alone may have
    twice the errors of both, or none.
    """
    if reference.shift is None or evidence.shares is None:
        return 0.0
    taught = reference.shift.counts / reference.shift.counts.sum()
    distance = 0.5 * float(np.abs(evidence.shares - taught).sum())
    chance = 0.5 * float(np.sqrt(2 / math.pi * taught * (1 - taught) / evidence.scenes).sum())
    return max(0.0, distance - chance)
