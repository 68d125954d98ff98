"""A learning curve: the accuracy to expect with more images per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.teaching.result import Forecast
from edgecnn.teaching.validation.cross_validation import CrossValidated
from edgecnn.teaching.validation.folded_images import FoldedImages

__all__ = ["CurvePoint", "forecast", "learning_curve"]

_SHARES = (0.25, 0.5)  # of the training part of each fold; the whole part is the cross-validation itself
_MULTIPLES = (2, 4)  # of the images per class
_TAILS = (0.05, 0.5, 0.95)

# Errors fall with a power of the number of images down to a floor (Hestness et al., arXiv 1712.00409). The prior of the
# power and how much one draw of training images differs from another: docs/teach.md has the coverage measured
_POWER, _POWER_DEVIATION = 0.6, 0.3
_LUCK = 0.15  # standard deviation, of the logit of the error
# How much an error counts in the likelihood. The points of a curve share their images, so less than one each
_WEIGHT_OF_PARTS, _WEIGHT_OF_ALL = 0.2, 0.6


@dataclass(frozen=True)
class CurvePoint:
    """Errors in cross-validation at one number of training images."""

    images_per_class: float
    errors: float  # of ``evaluated``
    evaluated: float  # independent images


def learning_curve(
    folded: FoldedImages, found: CrossValidated, lowered: NDArray[np.floating], seed: int
) -> tuple[CurvePoint, ...]:
    """Evaluates heads that were fitted on parts of the images.

    Args:
        folded: the labelled images.
        found: their cross-validation, whose logits are the last point of the curve.
        lowered: by how much the logits of each class are lowered so that the known classes keep their answers, ``[C]``;
            those of ``found`` are so already.
        seed: of the choice of the parts.
    """
    random = np.random.default_rng(seed)
    images, folds, count = folded.images, folded.folds, folded.count
    independent = len(np.unique(folded.copies))
    classes = len(np.unique(images.truth))

    def point(used_per_fold: float, wrong: int) -> CurvePoint:
        return CurvePoint(used_per_fold / classes, wrong / len(folds) * independent, independent)

    points = []
    for share in _SHARES:
        wrong, used = 0, 0
        for fold in range(count):
            part = _part(images.truth, folded.copies, folds != fold, share, random)
            head = folded.fit_on(part).fit(found.penalty)
            held_out = images.chosen(folds == fold)
            answers = (head.logits(held_out.features) - lowered).argmax(1)
            wrong += int((answers != held_out.truth).sum())
            used += len(part)
        points.append(point(used / count, wrong))
    wrong = int((found.logits.argmax(1) != images.truth).sum())
    return (*points, point(len(folds) * (count - 1) / count, wrong))


def forecast(curve: Sequence[CurvePoint], images_per_class: float) -> tuple[Forecast, ...]:
    """The accuracy at multiples of the images per class that there are, with 90 % intervals.

    The posterior of ``error * (floor + (1 - floor) * (n / images_per_class) ** -power)``: a binomial likelihood at the
    points of the curve, Jeffreys' prior of the error, a normal one of the power, and an even one of the floor.

    Args:
        curve: from the smallest part of the images to all of them.
        images_per_class: that there are.
    """
    error = np.exp(np.linspace(np.log(1e-4), np.log(0.95), 120))[:, None, None]  # at the images there are
    power = np.linspace(0.05, 1.5, 30)[None, :, None]
    floor = ((np.arange(10) + 0.5) / 10)[None, None]
    posterior = 0.5 * np.log(error) - ((power - _POWER) / _POWER_DEVIATION) ** 2 / 2 + 0 * floor
    for i, point in enumerate(curve):
        weight = _WEIGHT_OF_ALL if i == len(curve) - 1 else _WEIGHT_OF_PARTS
        there = np.minimum(error * _decay(floor, power, point.images_per_class / images_per_class), 0.999)
        right = point.evaluated - point.errors
        posterior = posterior + weight * (point.errors * np.log(there) + right * np.log1p(-there))
    weights = np.exp(posterior - posterior.max()).ravel()
    found = []
    for times in _MULTIPLES:
        errors = (error * _decay(floor, power, times)).ravel()
        low, middle, high = _quantiles(errors, weights)
        found.append(Forecast(round(images_per_class * times), 1 - middle, (1 - high, 1 - low)))
    return tuple(found)


def _decay(floor: NDArray[np.float64], power: NDArray[np.float64], times: float) -> NDArray[np.float64]:
    """The error with so many times the images, as a share of that with the images there are."""
    found: NDArray[np.float64] = floor + (1 - floor) * times**-power
    return found


def _quantiles(errors: NDArray[np.float64], weights: NDArray[np.float64]) -> list[float]:
    """Quantiles of the error of one draw of training images, at the tails of the interval and in the middle."""
    luck = np.array([-1.5, -0.5, 0.5, 1.5]) * _LUCK  # stands for a normal distribution
    spread = (1 / (1 + (1 / errors[:, None] - 1) * np.exp(-luck))).ravel()
    order = np.argsort(spread)
    cumulative = np.cumsum(np.repeat(weights, len(luck))[order])
    return [float(spread[order][np.searchsorted(cumulative, tail * cumulative[-1])]) for tail in _TAILS]


def _part(
    truth: NDArray[np.intp],
    copies: NDArray[np.intp],
    allowed: NDArray[np.bool_],
    share: float,
    random: np.random.Generator,
) -> NDArray[np.intp]:
    """A share of the allowed images of each class, near-duplicates together; at least one group of each."""
    chosen: list[int] = []
    for label in np.unique(truth):
        own = np.nonzero(allowed & (truth == label))[0]
        groups = random.permutation(np.unique(copies[own]))
        kept = groups[: max(1, round(share * len(groups)))]
        chosen += own[np.isin(copies[own], kept)].tolist()
    return np.array(sorted(chosen), np.intp)
