"""Fits the rule for `unknown` of a taught model: the distance from the principal subspace of the features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.ood_threshold import fit_threshold
from edgecnn.features.subspace import MIN_IMAGES, FeatureSubspace, fit_subspace
from edgecnn.manifest import UnknownRule
from edgecnn.teaching.validation.folds import FOLDS

__all__ = ["TaughtRule", "fit_unknown_rule"]

_LEAST = 40  # images; fewer cannot tell a 5 % quantile
_NO_DISTANCE = "the features of these images do not tell how far an image is from them"
_MOST_OF_CLASS = 0.2  # share of the images of one class that may be rejected


@dataclass(frozen=True, eq=False)
class TaughtRule:
    """The rule, and the subspace that the graph needs for it."""

    rule: UnknownRule
    subspace: FeatureSubspace | None
    why_off: str | None = None  # None: the rule holds


def fit_unknown_rule(
    images: NDArray[np.float32],
    truth: NDArray[np.intp],
    folds: NDArray[np.intp],
    drawn: NDArray[np.float32] | None,
    before: UnknownRule,
) -> TaughtRule:
    """Fits the rule. Each score that the threshold is fitted on comes from a subspace fitted without its image.

    Of a class with few images all could be rejected, and the share of all classes together would hardly show it. So
    no class has more than ``_MOST_OF_CLASS`` of its images rejected.

    Drawn features lie much closer to one distance than those of images, so a threshold fitted on them would reject half
    of the images of their classes. Where there are some, it is at least that of the model before, which was fitted on
    images.

    Args:
        images: features of the labelled images, ``[N, D]``.
        truth: class of each, ``[N]``.
        folds: of the cross-validation, ``[N]``.
        drawn: features that stand in for classes without images, ``[M, D]``; None: there are none.
        before: the rule of the model as it was.

    Returns:
        A rule that is off where fewer than 40 examples are there, or their features carry no distance.
    """
    features = images if drawn is None else np.concatenate([images, drawn])
    parts = folds if drawn is None else np.concatenate([folds, np.arange(len(drawn)) % FOLDS])
    if len(features) < _LEAST:
        why = f"its rule is fitted anew, and {len(features)} images are fewer than the {_LEAST} that it needs"
        return TaughtRule(UnknownRule(), None, why)
    subspace = fit_subspace(features)
    if subspace is None:
        return TaughtRule(UnknownRule(), None, _NO_DISTANCE)
    scores = np.empty(len(features), np.float32)
    for fold in np.unique(parts):
        held_out = parts == fold
        known = fit_subspace(features[~held_out], least=MIN_IMAGES * (FOLDS - 1) // FOLDS)
        if known is None:
            return TaughtRule(UnknownRule(), None, _NO_DISTANCE)
        scores[held_out] = known.distances(features[held_out])
    rule = fit_threshold(UnknownRule("feature_distance"), scores)
    own = [fit_threshold(rule, scores[: len(truth)][truth == label], _MOST_OF_CLASS) for label in np.unique(truth)]
    kept = [before] if drawn is not None and before.score == rule.score else []
    threshold = max(found.threshold for found in (rule, *own, *kept))
    rejected = scores > threshold
    if kept:
        rejected = np.concatenate([rejected[: len(truth)], np.full(len(scores) - len(truth), before.false_reject_rate)])
    rate = float(rejected.mean())
    return TaughtRule(replace(rule, threshold=threshold, false_reject_rate=round(rate, 4)), subspace)
