"""The split: stratified, seeded, the same image never on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from edgecnn.errors import UsageError
from edgecnn.training.data.split import split_images

SHAPES = {
    "even": [50, 50],
    "uneven": [200, 37, 11],
    "many": [24] * 12,
    "one small class": [300, 3, 90],
    "two images a class": [2] * 60,
}


def _labels(sizes: list[int]) -> list[int]:
    return [label for label, size in enumerate(sizes) for _ in range(size)]


def _counts(labels: list[int], splits: list[str]) -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for label, split in zip(labels, splits, strict=True):
        found[split][label] += 1
    return found


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize(("val", "test"), [(0.2, 0.0), (0.25, 0.1)])
def test_each_class_and_the_pool_give_their_share_within_one_image(sizes: list[int], val: float, test: float) -> None:
    labels = _labels(sizes)
    counts = _counts(labels, split_images(labels, range(len(labels)), val, test, 3))
    least = min(s for s in (val, test) if s)
    small = [c for c, size in enumerate(sizes) if round(least * size) < 1]
    for split, share in (("val", val), ("test", test)):
        for c, size in enumerate(sizes):
            if c not in small:
                assert abs(counts[split][c] - share * size) <= 1
        assert abs(sum(counts[split][c] for c in small) - share * sum(sizes[c] for c in small)) <= 1


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES.keys())
def test_every_class_keeps_an_image_to_train_on(sizes: list[int]) -> None:
    labels = _labels(sizes)
    for seed in range(5):
        train = _counts(labels, split_images(labels, range(len(labels)), 0.4, 0.2, seed))["train"]
        assert all(train[c] >= 1 for c in range(len(sizes)))


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    labels = _labels([40, 30])
    splits = [split_images(labels, range(70), 0.2, 0.1, seed) for seed in (7, 7, 8)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]
    assert Counter(splits[0]) == Counter(splits[2])


def test_without_a_test_share_nothing_is_a_test_image() -> None:
    assert set(split_images(_labels([10, 10]), range(20), 0.2, 0.0, 0)) == {"train", "val"}


@pytest.mark.parametrize("seed", range(8))
def test_a_group_is_never_divided(seed: int) -> None:
    """Groups of one to four, some of them across classes (a copy under another label)."""
    labels = _labels([40, 40, 9])
    groups, number = [], 0
    while len(groups) < len(labels):
        groups += [number] * (1 + number % 4)
        number += 1
    groups = groups[: len(labels)]
    sides = defaultdict(set)
    for group, split in zip(groups, split_images(labels, groups, 0.25, 0.1, seed), strict=True):
        sides[group].add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert {split for found in sides.values() for split in found} == {"train", "val", "test"}


def test_small_classes_are_pooled_and_the_pool_gives_its_share() -> None:
    """Forty classes of two images: none could give a fifth of its own, together they give sixteen."""
    labels = _labels([2] * 40)
    counts = _counts(labels, split_images(labels, range(80), 0.2, 0.0, 0))
    assert counts["val"].total() == 16
    assert max(counts["val"].values()) == 1


def test_test_images_do_not_use_up_what_validation_needs() -> None:
    """Sixty classes of two: sixty images may be held out, and both shares want some."""
    assert set(split_images(_labels([2] * 60), range(120), 0.4, 0.3, 0)) == {"train", "val", "test"}


def test_a_class_that_is_one_group_stays_in_training() -> None:
    labels = _labels([20, 5])
    groups = [*range(20), *[100] * 5]
    assert split_images(labels, groups, 0.2, 0.0, 0)[20:] == ["train"] * 5


def test_a_large_group_does_not_swallow_the_validation_share() -> None:
    """A burst of 14 near-identical frames among 20: the share is 4, and six images stand alone to give it."""
    labels = _labels([20, 20])
    groups = [0] * 14 + list(range(1, 27))
    assert all(_counts(labels, split_images(labels, groups, 0.2, 0.0, seed))["val"][0] <= 5 for seed in range(40))


@pytest.mark.parametrize(
    ("val", "test"),
    [
        (0.0, 0.0),
        (1.0, 0.0),
        (-0.1, 0.2),
        (0.5, 0.5),
        (0.2, -0.1),
        (0.2, 1.0),
        (20.0, 0.0),
        (float("nan"), 0.0),
        (0.2, float("nan")),
    ],
)
def test_impossible_shares_are_refused(val: float, test: float) -> None:
    with pytest.raises(UsageError, match="--val-split"):
        split_images(_labels([10, 10]), range(20), val, test, 0)


def test_a_share_too_small_for_one_image_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves none to validate on"):
        split_images(_labels([10, 10]), range(20), 0.01, 0.0, 0)
    with pytest.raises(UsageError, match=r"of 20 clips leaves none to validate on; change the shares, or add clips"):
        split_images(_labels([10, 10]), range(20), 0.01, 0.0, 0, "clips")


def test_two_images_a_class_and_two_classes_are_enough_with_the_default_share() -> None:
    """The least that the contract says training needs."""
    counts = _counts([0, 0, 1, 1], split_images([0, 0, 1, 1], range(4), 0.2, 0.0, 0))
    assert counts["val"].total() == 1
    assert set(counts["train"]) == {0, 1}
