"""Fits the classifier of a plan to labelled images, and says how good it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.temperature import fit_temperature
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.features.linear_head import HeadExamples, LinearHead
from edgecnn.progress import Reporter
from edgecnn.teaching.head.known_classes import KnownClasses, Loss
from edgecnn.teaching.head.unknown_rule import TaughtRule, fit_unknown_rule
from edgecnn.teaching.labelled_images import LabelledImages
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.plan import TeachingPlan
from edgecnn.teaching.validation.cross_validation import cross_validate
from edgecnn.teaching.validation.folded_images import FoldedImages
from edgecnn.teaching.validation.folds import FOLDS, assign_folds
from edgecnn.teaching.validation.forecast import CurvePoint, learning_curve

__all__ = ["FittedHead", "fit_plan"]

_STEEPEST = 30.0  # nats: what is taken from the logits of new classes at most
_HALVINGS = 20


@dataclass(frozen=True, eq=False)
class FittedHead:
    """The new classifier and what cross-validation says of it."""

    head: LinearHead
    temperature: float
    unknown: TaughtRule
    truth: NDArray[np.intp]  # [N], class of each labelled image in the new model
    logits: NDArray[np.float64]  # [N, C]: of each image, by a head that was fitted without it
    loss: Loss | None  # on the classes that the model knew; None where they are replaced
    unbounded_top1: float | None  # in cross-validation, had the loss no limit; None: the limit changed nothing
    curve: tuple[CurvePoint, ...]
    images_per_class: float


def fit_plan(
    plan: TeachingPlan,
    images: LabelledImages,
    statistics: ClassStatistics | None,
    options: TeachOptions,
    reporter: Reporter,
) -> FittedHead:
    """Fits and cross-validates.

    Args:
        plan: the classes, and what the fit starts from.
        images: the labelled images.
        statistics: of the classes that the model knows; needed where one of them has no images. None where all are
            replaced.
        options: teaching options.
        reporter: receives the progress.
    """
    truth = np.array([plan.places[name] for name in images.names], np.intp)
    examples = HeadExamples(images.features, truth, _counts(truth, images.copies))
    per_class = len(truth) / len(np.unique(truth))
    known = KnownClasses.of(statistics, plan.absent, per_class, options.seed)
    folds = assign_folds(truth.tolist(), images.groups.tolist(), options.seed, _fold_count(truth, images.groups))
    folded = FoldedImages(plan.start, plan.free, examples, folds, images.copies, known.fitted)
    found = cross_validate(folded, reporter.stage("cross-validation"))
    fitted = head = folded.fit_on_all().fit(found.penalty)
    logits, loss, unbounded = found.logits, None, None
    if not options.replace:
        head, logits, loss = _keep_known(plan, known, examples, fitted, found.logits, options.max_drop)
        if head is not fitted:
            unbounded = float((found.logits.argmax(1) == truth).mean())
    curve = learning_curve(folded, replace(found, logits=logits), fitted.bias - head.bias, options.seed)
    drawn = None if known.fitted is None else known.fitted.features
    return FittedHead(
        head=head,
        temperature=fit_temperature(logits, truth),
        unknown=fit_unknown_rule(images.features, truth, folds, drawn, plan.unknown_before),
        truth=truth,
        logits=logits,
        loss=loss,
        unbounded_top1=unbounded,
        curve=curve,
        images_per_class=per_class,
    )


def _counts(truth: NDArray[np.intp], copies: NDArray[np.intp]) -> NDArray[np.float64]:
    """How much each image counts: near-duplicates together as one image, all classes alike; N in all."""
    sizes = Counter(copies.tolist())
    counts = np.array([1 / sizes[group] for group in copies.tolist()])
    totals = np.bincount(truth, counts)
    return counts / totals[truth] * (len(truth) / np.count_nonzero(totals))


def _fold_count(truth: NDArray[np.intp], groups: NDArray[np.intp]) -> int:
    """As many folds as every class can be found in."""
    return min(FOLDS, *(len(np.unique(groups[truth == label])) for label in np.unique(truth)))


def _keep_known(
    plan: TeachingPlan,
    known: KnownClasses,
    examples: HeadExamples,
    head: LinearHead,
    logits: NDArray[np.float64],
    max_drop: float,
) -> tuple[LinearHead, NDArray[np.float64], Loss]:
    """Lowers the logits of new classes as far as needed for the known ones to keep their answers."""
    before = plan.start.of_classes(np.arange(len(plan.labels) - len(plan.added)))
    given = before.logits(examples.features)
    new = np.arange(len(plan.labels)) >= len(before.bias)

    def lowered(by: float) -> tuple[LinearHead, NDArray[np.float64], Loss]:
        if not by:
            return head, logits, known.loss(before, head, examples, given, logits)
        moved = LinearHead(head.weight, head.bias - by * new)
        answers = logits - by * new
        return moved, answers, known.loss(before, moved, examples, given, answers)

    low, high = 0.0, _STEEPEST
    best = lowered(low)
    if best[2].drop <= max_drop or not new.any():
        return best
    best = lowered(high)
    if best[2].drop > max_drop:
        return lowered(0.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = lowered(middle)
        if tried[2].drop <= max_drop:
            best, high = tried, middle
        else:
            low = middle
    return best
