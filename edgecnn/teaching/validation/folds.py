"""Folds of cross-validation: stratified by class, and images that are near-duplicates stay in one fold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOLDS", "assign_folds"]

FOLDS = 5


def assign_folds(truth: Sequence[int], groups: Sequence[int], seed: int, count: int = FOLDS) -> NDArray[np.intp]:
    """Returns the fold of each image, from 0 to ``count`` - 1.

    Args:
        truth: class of each image.
        groups: number of each image's group of near-duplicates.
        seed: of the order in which groups are assigned.
        count: number of folds.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    order = np.random.default_rng(seed).permutation(sorted(members))
    folds = np.empty(len(truth), np.intp)
    taken: dict[int, Counter[int]] = defaultdict(Counter)  # class: images in each fold
    whole: Counter[int] = Counter()
    for group in sorted(order, key=lambda g: -len(members[g])):  # large groups first: small ones even them out
        images = members[group]
        label = Counter(truth[i] for i in images).most_common(1)[0][0]
        fold = min(range(count), key=lambda k: (taken[label][k], whole[k]))
        for i in images:
            folds[i] = fold
            taken[truth[i]][fold] += 1
            whole[fold] += 1
    return folds
