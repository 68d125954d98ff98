"""Chooses how strongly the classifier is held back (its L2 penalty) by cross-validation, and says how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.linear_head import HeadExamples, log_softmax
from edgecnn.teaching.validation.folded_images import FoldedImages

__all__ = ["PENALTIES", "CrossValidated", "cross_validate"]

PENALTIES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)  # from smooth to wild: each fit starts at the one before


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Logits of images that were held out, and the penalty for a fit on all of them."""

    logits: NDArray[np.float64]  # [N, C]; of each image by a head that was fitted without its fold
    penalty: float


def cross_validate(folded: FoldedImages, progress: Callable[[int, int], None] | None = None) -> CrossValidated:
    """Cross-validates each penalty.

    The logits of an image come from the penalty with the least loss over the images of the other folds: its own answer
    does not choose.

    Args:
        folded: the images.
        progress: told how many of how many fits are done.
    """
    images, folds, count = folded.images, folded.folds, folded.count
    logits = np.empty((len(PENALTIES), len(folds), len(folded.free)))
    for fold in range(count):
        held_out = folds == fold
        fit = folded.fit_on(~held_out)
        for i, penalty in enumerate(PENALTIES):
            logits[i, held_out] = fit.fit(penalty).logits(images.features[held_out])
            if progress is not None:
                progress(fold * len(PENALTIES) + i + 1, count * len(PENALTIES))
    losses = np.stack([_losses(given, images) for given in logits])  # [penalties, N]
    chosen = np.empty_like(logits[0])
    for fold in range(count):
        best = int(losses[:, folds != fold].sum(1).argmin())
        chosen[folds == fold] = logits[best, folds == fold]
    return CrossValidated(chosen, PENALTIES[int(losses.sum(1).argmin())])


def _losses(logits: NDArray[np.float64], images: HeadExamples) -> NDArray[np.float64]:
    """Of each image ``[N]``, by how much it counts."""
    found: NDArray[np.float64] = -log_softmax(logits)[np.arange(len(logits)), images.truth] * images.counts
    return found
