"""Labelled images in folds, and what every fit of the cross-validation gets beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.linear_head import HeadExamples, HeadFit, LinearHead

__all__ = ["FoldedImages"]


@dataclass(frozen=True, eq=False)
class FoldedImages:
    """N labelled images of a head with C classes."""

    start: LinearHead  # [C, D], where every fit starts
    free: NDArray[np.bool_]  # [C], the classes that are fitted
    images: HeadExamples
    folds: NDArray[np.intp]  # [N], from 0
    copies: NDArray[np.intp]  # [N], the group of near-duplicates of each
    others: HeadExamples | None = None  # examples of the classes that the images do not show: part of every fit

    @property
    def count(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def fit_on(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> HeadFit:
        """A fit on some of the images, and on the others."""
        chosen = self.images.chosen(rows)
        return HeadFit(chosen if self.others is None else _joined(chosen, self.others), self.start, self.free)

    def fit_on_all(self) -> HeadFit:
        """A fit on all of the images, and on the others."""
        return self.fit_on(np.ones(len(self.folds), np.bool_))


def _joined(images: HeadExamples, others: HeadExamples) -> HeadExamples:
    return HeadExamples(
        np.concatenate([images.features, others.features]),
        np.concatenate([images.truth, others.truth]),
        np.concatenate([images.counts, others.counts]),
    )
