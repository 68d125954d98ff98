"""Folds keep near-duplicates together and spread each class."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.teaching.validation.folds import assign_folds


def test_each_class_is_spread_evenly() -> None:
    truth = [0] * 50 + [1] * 15
    folds = assign_folds(truth, list(range(65)), seed=0)
    for label, each in ((0, 10), (1, 3)):
        assert np.bincount(folds[np.array(truth) == label], minlength=5).tolist() == [each] * 5


@pytest.mark.parametrize("seed", range(5))
def test_images_of_one_group_are_in_one_fold(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 30, 200).tolist()
    folds = assign_folds(random.integers(0, 3, 200).tolist(), groups, seed)
    assert all(len({folds[i] for i in range(200) if groups[i] == group}) == 1 for group in set(groups))
    assert np.bincount(folds, minlength=5).min() > 20


def test_another_seed_gives_other_folds_and_the_same_seed_the_same() -> None:
    truth, groups = [0, 1] * 20, list(range(40))
    one, again, other = (assign_folds(truth, groups, seed).tolist() for seed in (0, 0, 1))
    assert one == again != other
