"""Ranks unlabelled images: which to label next, so that the model learns most from few labels.

Uncertainty, diversity and typicality together: k-means over the features, in which an image counts the more the less
the model prefers its best class to the second (Zhdanov, "Diverse mini-batch active learning", arXiv 1901.05954), and
the image nearest to each centre is chosen. The centres start far from each other and from the labelled images, as in
k-means++ (Arthur and Vassilvitskii, SODA 2007) and BADGE (Ash et al., arXiv 1906.03671). Images of rare sources and
guesses count more. The most uncertain images alone, or those farthest from all others (k-center; Sener and Savarese,
arXiv 1708.00489), were no better than a choice by chance on most data: they are outliers. docs/teach.md has figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidates", "Chosen", "choose_next"]

Points = NDArray[np.float32]

_BATCH = 20  # images that are chosen together: the first of a long list do for who labels no more
_STEPS = 15  # of k-means
_CERTAIN = 0.1  # what an image counts of which the model is sure
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
    score: float  # probability of the guess
    reason: str


def choose_next(candidates: Candidates, labelled: NDArray[np.floating], count: int, seed: int = 0) -> list[Chosen]:
    """The images to label next, the most useful first.

    Images that the network cannot tell from a labelled or a chosen one are left out.

    Args:
        candidates: the unlabelled images.
        labelled: features of the images that have a label, ``[M, D]``; M may be 0.
        count: how many are wanted at most.
        seed: of the centres that k-means starts from.
    """
    total = len(candidates.features)
    if not total:
        return []
    random = np.random.default_rng(seed)
    centre = np.asarray(candidates.features, np.float64).mean(0)
    points = _directions(candidates.features, centre)
    margins = _margins(candidates.probabilities)
    weights = (1 - margins + _CERTAIN) * _rarity(candidates)
    near = np.full(total, 4.0)  # the largest squared distance that there is
    if len(labelled):
        near = _distances(points, _directions(labelled, centre)).min(1)
    found: list[Chosen] = []
    while len(found) < count and (near > _ALIKE).any():
        for index in _batch(points, weights, near, min(_BATCH, count - len(found)), random):
            if near[index] > _ALIKE:
                found.append(_chosen(candidates, index, float(margins[index])))
                near = np.minimum(near, _distances(points, points[index : index + 1])[:, 0])
    return found


def _batch(
    points: Points, weights: NDArray[np.float64], near: NDArray[np.float64], count: int, random: np.random.Generator
) -> list[int]:
    """Of each cluster the image nearest to its centre, the cluster that counts most first.

    Args:
        points: ``[N, D]``.
        weights: how much each counts, ``[N]``.
        near: squared distance of each to what is labelled or chosen, ``[N]``.
        count: number of clusters, if there are so many different images.
        random: chooses where they start.
    """
    open_ = np.nonzero(near > _ALIKE)[0]
    if len(open_) <= count:
        return [int(i) for i in open_[np.argsort(-weights[open_], kind="stable")]]
    points, weights, near = points[open_], weights[open_], near[open_]
    centres = points[_starts(weights, near, points, count, random)].copy()
    for _ in range(_STEPS):
        nearest = _distances(points, centres).argmin(1)
        for k in np.unique(nearest):
            own = nearest == k
            centres[k] = np.average(points[own], 0, weights[own])
    distances = _distances(points, centres)
    mass = np.bincount(distances.argmin(1), weights, len(centres))
    chosen: list[int] = []
    for k in np.argsort(-mass, kind="stable"):
        distances[chosen] = np.inf
        chosen.append(int(distances[:, k].argmin()))
    return [int(i) for i in open_[chosen]]


def _starts(
    weights: NDArray[np.float64],
    near: NDArray[np.float64],
    points: Points,
    count: int,
    random: np.random.Generator,
) -> list[int]:
    """Where the clusters start: by chance, an image the likelier the farther it is from those before it."""
    near, starts = near.copy(), []
    for _ in range(count):
        chance = near * weights
        if not chance.any():  # all others are copies
            break
        starts.append(int(random.choice(len(points), p=chance / chance.sum())))
        near = np.minimum(near, _distances(points, points[starts[-1:]])[:, 0])
    return starts


def _rarity(candidates: Candidates) -> NDArray[np.float64]:
    """How much more an image counts whose source and guess are rare among the candidates, ``[N]``."""
    guesses = candidates.probabilities.argmax(1).tolist()
    cells = list(zip(candidates.sources, guesses, strict=True))
    sizes = Counter(cells)
    return np.array([sizes[cell] ** -0.5 for cell in cells])


def _margins(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """By how much the best class is preferred to the second, ``[N]``."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    best = np.sort(np.asarray(probabilities, np.float64), axis=1)[:, -2:]
    found: NDArray[np.float64] = best[:, 1] - best[:, 0]
    return found


def _chosen(candidates: Candidates, index: int, margin: float) -> Chosen:
    probabilities = candidates.probabilities[index]
    guess = int(probabilities.argmax())
    if margin < _CLOSE:
        reason = "two classes are equally likely"
    else:
        reason = "uncertain" if margin < _UNSURE else "typical of many"
    return Chosen(index, guess, float(probabilities[guess]), reason)


def _directions(features: NDArray[np.floating], centre: NDArray[np.float64]) -> Points:
    """Features from the centre, at length 1; a row of zeros stays one."""
    moved = np.asarray(features, np.float64) - centre
    lengths = np.sqrt((moved * moved).sum(1, keepdims=True))
    return np.asarray(moved / np.maximum(lengths, 1e-12), np.float32)


def _distances(points: Points, others: Points) -> NDArray[np.float64]:
    """Squared distances, ``[N, M]``."""
    lengths = (points * points).sum(1)[:, None] + (others * others).sum(1)
    return np.asarray(np.maximum(lengths - 2 * (points @ others.T), 0), np.float64)
