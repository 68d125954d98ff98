"""Ranks unlabelled images: which to label next, so that the model learns most from few labels.

Uncertainty and diversity together, as in the batch queries of Zhdanov (arXiv 1901.05954) and Cluster-Margin (Citovsky
et al., arXiv 2107.14263): of the images between whose best two classes the model decides by least (the margin; Scheffer
et al., IDA 2001), those are chosen that lie far from each other and from the labelled ones (greedy k-center; Sener and
Savarese, arXiv 1708.00489). So near-duplicates are never chosen while something else is left. docs/teach.md compares it
with a choice by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidates", "Chosen", "choose_next"]

_LEAST_POOL = 10  # images that diversity has to choose from
_POOL = 5  # times the number that is wanted: the most uncertain ones
_ALIKE = 1e-3  # squared distance between features of length 1: the network sees no difference
_UNSURE, _CLOSE = 0.5, 0.1  # margins


@dataclass(frozen=True, eq=False)
class Candidates:
    """N unlabelled images."""

    features: NDArray[np.floating]  # [N, D]
    probabilities: NDArray[np.floating]  # [N, C]
    sources: Sequence[str]  # of each: a camera, or a folder


@dataclass(frozen=True)
class Chosen:
    """An image to label."""

    index: int  # among the candidates
    guess: int  # the class that the model takes it for
    runner_up: int  # the second; the same where there is only one class
    score: float  # probability of the guess
    reason: str


def choose_next(candidates: Candidates, labelled: NDArray[np.floating], count: int) -> list[Chosen]:
    """The images to label next, the most useful first.

    Images that the network cannot tell from a labelled or a chosen one are left out.

    Args:
        candidates: the unlabelled images.
        labelled: features of the images that have a label, ``[M, D]``; M may be 0.
        count: how many are wanted at most.
    """
    total = len(candidates.features)
    if not total or count < 1:
        return []
    order = np.sort(candidates.probabilities, axis=1)
    margins = order[:, -1] - (order[:, -2] if order.shape[1] > 1 else 0.0)
    centre = np.asarray(candidates.features, np.float64).mean(0)
    points = _directions(candidates.features, centre)
    near = _nearest(points, _directions(labelled, centre)) if len(labelled) else np.full(total, 4.0)
    guesses = candidates.probabilities.argmax(1)
    cells = [(source, int(guess)) for source, guess in zip(candidates.sources, guesses, strict=True)]
    pool = np.zeros(total, np.bool_)
    pool[np.argsort(margins, kind="stable")[: max(_LEAST_POOL, _POOL * count)]] = True
    taken: Counter[tuple[str, int]] = Counter()
    found: list[Chosen] = []
    while len(found) < count:
        open_ = pool & (near > _ALIKE)
        if not open_.any():
            if pool.all():
                break
            pool[:] = True  # what is uncertain is used up: the rest follows
            continue
        # Each image of one source and guess makes a further one of them worth less
        worth = near * open_ / np.array([1.0 + taken[cell] for cell in cells]) ** 0.5
        index = int(worth.argmax())
        found.append(_chosen(candidates, index, float(margins[index]), float(near[index])))
        taken[cells[index]] += 1
        near = np.minimum(near, _nearest(points, points[index : index + 1]))
    return found


def _chosen(candidates: Candidates, index: int, margin: float, distance: float) -> Chosen:
    probabilities = candidates.probabilities[index]
    first, second = (int(i) for i in np.argsort(-probabilities, kind="stable")[[0, min(1, len(probabilities) - 1)]])
    if margin < _CLOSE:
        reason = "two classes are equally likely"
    elif margin < _UNSURE:
        reason = "uncertain"
    else:
        reason = "unlike the labelled images" if distance > 1 else "for variety"
    return Chosen(index, first, second, float(probabilities[first]), reason)


def _directions(features: NDArray[np.floating], centre: NDArray[np.float64]) -> NDArray[np.float32]:
    """Features from the centre, at length 1; a row of zeros stays one."""
    moved = np.asarray(features, np.float64) - centre
    lengths = np.sqrt((moved * moved).sum(1, keepdims=True))
    return np.asarray(moved / np.maximum(lengths, 1e-12), np.float32)


def _nearest(points: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distance of each point to the nearest of the others."""
    found: NDArray[np.float64] = np.maximum(2 - 2 * (points @ others.T).max(1), 0).astype(np.float64)
    return found
