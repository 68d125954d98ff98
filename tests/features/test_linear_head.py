"""The linear head: its fit is the minimum of the stated loss, and rows that are not free stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.features.linear_head import HeadExamples, HeadFit, LinearHead, log_softmax


def examples(images: int, width: int, classes: int = 3, seed: int = 0) -> HeadExamples:
    random = np.random.default_rng(seed)
    truth = np.arange(images) % classes
    centres = random.standard_normal((classes, width)) * 2
    features = centres[truth] + random.standard_normal((images, width)) + 5
    return HeadExamples(features, truth, random.uniform(0.5, 1.5, images))


def loss(head: LinearHead, start: LinearHead, shown: HeadExamples, penalty: float) -> float:
    """As the docstring states it, computed on the features themselves."""
    deviation = shown.features.std()
    logs = log_softmax(head.logits(shown.features))[np.arange(len(shown.truth)), shown.truth]
    distance = ((head.weight - start.weight) * deviation) ** 2
    return float(-(shown.counts * logs).sum() / shown.counts.sum() + penalty * distance.sum() / 2)


@pytest.mark.parametrize(("images", "width"), [(60, 8), (20, 50)], ids=["more images", "more features"])
def test_no_head_nearby_has_a_smaller_loss(images: int, width: int) -> None:
    shown, penalty = examples(images, width), 1e-2
    start = LinearHead(np.full((3, width), 0.1), np.zeros(3))
    found = HeadFit(shown, start, np.ones(3, bool)).fit(penalty)
    random, least = np.random.default_rng(1), loss(found, start, shown, penalty)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            other = LinearHead(
                found.weight + size * random.standard_normal(found.weight.shape),
                found.bias + size * random.standard_normal(3),
            )
            assert loss(other, start, shown, penalty) > least - 1e-7


def test_rows_that_are_not_free_stay_as_they_are() -> None:
    shown = examples(60, 8)
    start = LinearHead(np.random.default_rng(2).standard_normal((3, 8)), np.array([1.0, 2.0, 3.0]))
    found = HeadFit(shown, start, np.array([False, True, False])).fit(1e-3)
    np.testing.assert_array_equal(found.weight[[0, 2]], start.weight[[0, 2]])
    np.testing.assert_array_equal(found.bias[[0, 2]], start.bias[[0, 2]])
    assert np.abs(found.weight[1] - start.weight[1]).max() > 0.01


def test_a_strong_penalty_keeps_the_weights_and_moves_the_bias_alone() -> None:
    shown = examples(60, 8)
    start = LinearHead(np.random.default_rng(2).standard_normal((3, 8)), np.zeros(3))
    found = HeadFit(shown, start, np.ones(3, bool)).fit(1e9)
    np.testing.assert_allclose(found.weight, start.weight, atol=1e-6)


def test_the_second_penalty_does_not_depend_on_the_first() -> None:
    shown = examples(20, 50)
    start = LinearHead(np.zeros((3, 50)), np.zeros(3))
    fit = HeadFit(shown, start, np.ones(3, bool))
    fit.fit(1e-1)
    after, alone = fit.fit(1e-3), HeadFit(shown, start, np.ones(3, bool)).fit(1e-3)
    assert loss(after, start, shown, 1e-3) == pytest.approx(loss(alone, start, shown, 1e-3), rel=1e-3)


def test_examples_that_count_twice_are_as_two() -> None:
    shown = examples(30, 8)
    twice = HeadExamples(
        np.concatenate([shown.features, shown.features]), np.concatenate([shown.truth] * 2), np.ones(60)
    )
    once = HeadExamples(shown.features, shown.truth, np.full(30, 2.0))
    start, free = LinearHead(np.zeros((3, 8)), np.zeros(3)), np.ones(3, bool)
    np.testing.assert_allclose(
        HeadFit(twice, start, free).fit(1e-2).weight, HeadFit(once, start, free).fit(1e-2).weight, atol=1e-3
    )


def test_features_that_are_all_alike_give_a_finite_head() -> None:
    shown = HeadExamples(np.ones((6, 4)), np.array([0, 1, 0, 1, 0, 1]), np.ones(6))
    found = HeadFit(shown, LinearHead(np.zeros((2, 4)), np.zeros(2)), np.ones(2, bool)).fit(1e-2)
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.bias).all()
