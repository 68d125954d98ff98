"""Chooses how strongly the classifier is held back (its L2 penalty) by cross-validation, and says how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.linear_head import HeadExamples, HeadFit, LinearHead, log_softmax

__all__ = ["PENALTIES", "CrossValidated", "cross_validate", "joined"]

PENALTIES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)  # from smooth to wild: each fit starts at the one before


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Logits of images that were held out, and the penalty for a fit on all of them."""

    logits: NDArray[np.float64]  # [N, C]; of each image by a head that was fitted without its fold
    penalty: float


def cross_validate(
    start: LinearHead,
    free: NDArray[np.bool_],
    images: HeadExamples,
    folds: NDArray[np.intp],
    others: HeadExamples | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidated:
    """Cross-validates each penalty.

    The logits of an image come from the penalty with the least loss over the images of the other folds: its own answer
    does not choose.

    Args:
        start, free: as :class:`HeadFit` takes them.
        images: the images with their folds.
        folds: the fold of each image, ``[N]``.
        others: examples of the classes that the images do not show. They are trained on in every fold.
        progress: told how many of how many fits are done.
    """
    count = int(folds.max()) + 1
    logits = np.empty((len(PENALTIES), len(folds), len(free)))
    for fold in range(count):
        held_out = folds == fold
        fit = HeadFit(joined(images.chosen(~held_out), others), start, free)
        for i, penalty in enumerate(PENALTIES):
            logits[i, held_out] = fit.fit(penalty).logits(images.features[held_out])
            if progress is not None:
                progress(fold * len(PENALTIES) + i + 1, count * len(PENALTIES))
    losses = np.stack([_losses(given, images) for given in logits])  # [penalties, N]
    chosen = np.empty_like(logits[0])
    for fold in range(count):
        best = int(losses[:, folds != fold].sum(1).argmin()) if count > 1 else 0
        chosen[folds == fold] = logits[best, folds == fold]
    return CrossValidated(chosen, PENALTIES[int(losses.sum(1).argmin())])


def joined(images: HeadExamples, others: HeadExamples | None) -> HeadExamples:
    """Both sets of examples, in this order."""
    if others is None:
        return images
    return HeadExamples(
        np.concatenate([images.features, others.features]),
        np.concatenate([images.truth, others.truth]),
        np.concatenate([images.counts, others.counts]),
    )


def _losses(logits: NDArray[np.float64], images: HeadExamples) -> NDArray[np.float64]:
    """Of each image ``[N]``, by how much it counts."""
    found: NDArray[np.float64] = -log_softmax(logits)[np.arange(len(logits)), images.truth] * images.counts
    return found
