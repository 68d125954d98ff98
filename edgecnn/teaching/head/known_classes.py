"""Keeps what a model knew: stands in for images of the classes that are not among the labelled images, and measures
how much of them is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.features.linear_head import HeadExamples, LinearHead

__all__ = ["KnownClasses", "Loss"]

_FITTED_DRAWS, _EVALUATED_DRAWS = 200, 500  # features of made-up images, per class


@dataclass(frozen=True)
class Loss:
    """Top-1 accuracy on the classes that were known before, as fractions: the mean over these classes."""

    before: float
    after: float

    @property
    def drop(self) -> float:
        """How much is lost."""
        return self.before - self.after


@dataclass(frozen=True, eq=False)
class KnownClasses:
    """Features of made-up images of the classes that the model knew."""

    fitted: HeadExamples | None  # of the absent classes, to fit on; None where all classes have images
    evaluated: HeadExamples | None  # of all known classes, other ones; None where the file has no statistics

    @classmethod
    def of(
        cls,
        statistics: ClassStatistics | None,
        absent: tuple[int, ...],
        images_per_class: float,
        seed: int,
    ) -> KnownClasses:
        """Draws the features.

        Args:
            statistics: of the model file; needed where a class is absent.
            absent: the classes of the model without labelled images.
            images_per_class: how many images a class of the labelled ones has; an absent class counts as much.
            seed: of the draws.
        """
        if statistics is None:
            return cls(None, None)
        random = np.random.default_rng(seed)
        fitted = _draw(statistics, absent, _FITTED_DRAWS, images_per_class, random) if absent else None
        known = tuple(range(len(statistics.means)))
        return cls(fitted, _draw(statistics, known, _EVALUATED_DRAWS, _EVALUATED_DRAWS, random))

    def loss(
        self,
        before: LinearHead,
        after: LinearHead,
        images: HeadExamples,
        logits_before: NDArray[np.floating],
        logits_after: NDArray[np.floating],
    ) -> Loss:
        """Measures the loss on the made-up images, and on the labelled images of known classes.

        Args:
            before: the head of the model as it was.
            after: the new head.
            images: the labelled images.
            logits_before: of the labelled images, ``[N, C]``, by the model as it was.
            logits_after: of the same, ``[N, C + added]``, by heads that were fitted without them.
        """
        shares_before, shares_after = [], []
        for label in range(len(before.bias)):
            own = images.truth == label
            hits_before = [logits_before[own].argmax(1) == label]
            hits_after = [logits_after[own].argmax(1) == label]
            if self.evaluated is not None:
                drawn = self.evaluated.features[self.evaluated.truth == label]
                hits_before.append(before.logits(drawn).argmax(1) == label)
                hits_after.append(after.logits(drawn).argmax(1) == label)
            if sum(map(len, hits_before)):
                shares_before.append(float(np.concatenate(hits_before).mean()))
                shares_after.append(float(np.concatenate(hits_after).mean()))
        return Loss(float(np.mean(shares_before)), float(np.mean(shares_after)))


def _draw(
    statistics: ClassStatistics, labels: tuple[int, ...], each: int, count_as: float, random: np.random.Generator
) -> HeadExamples:
    features = np.concatenate([statistics.draw(label, each, random) for label in labels])
    return HeadExamples(features, np.repeat(labels, each).astype(np.intp), np.full(len(features), count_as / each))
