"""The rejection threshold: how many genuine images it costs, now and later."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.ood_threshold import fit_threshold, rejected, threshold_beyond
from edgecnn.manifest import UnknownRule

SCORES = ("max_probability", "energy", "feature_distance")


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("count", "rate"), [(1000, 0.05), (1000, 0.2), (40, 0.05), (137, 0.1)])
def test_at_most_the_stated_share_of_the_fitting_images_is_rejected_and_nearly_that(
    score: str, count: int, rate: float
) -> None:
    scores = np.random.default_rng(count).random(count).astype(np.float32)
    rule = fit_threshold(UnknownRule(score), scores, rate)
    lost = rejected(rule, scores).mean()
    assert rule.false_reject_rate == pytest.approx(lost, abs=1e-4)
    assert rate - 2 / count <= lost <= rate


@pytest.mark.parametrize("score", ["max_probability", "feature_distance"])
def test_new_images_are_rejected_no_more_often_than_stated_on_average(score: str) -> None:
    random = np.random.default_rng(3)
    lost = [
        rejected(fit_threshold(UnknownRule(score), random.random(60)), random.random(500)).mean() for _ in range(400)
    ]
    assert 0.03 < np.mean(lost) < 0.05  # (floor(0.05 x 61)) / 61 = 0.049; naive quantiles go to 0.066


def test_a_probability_is_rejected_below_and_a_distance_above() -> None:
    scores = np.linspace(0, 1, 11)
    assert rejected(UnknownRule("max_probability", 0.25), scores).tolist() == [True] * 3 + [False] * 8
    assert rejected(UnknownRule("feature_distance", 0.25), scores).tolist() == [False] * 3 + [True] * 8


@pytest.mark.parametrize("score", SCORES)
def test_equal_scores_are_never_all_rejected(score: str) -> None:
    scores = np.full(100, 0.9, np.float32)
    rule = fit_threshold(UnknownRule(score), scores)
    assert not rejected(rule, scores).any()
    assert rule.false_reject_rate == 0.0


@pytest.mark.parametrize("beyond", [0, 1, 7, 49])
def test_as_many_scores_lie_beyond_a_threshold_as_were_asked_for(beyond: int) -> None:
    scores = np.random.default_rng(0).normal(0, 10, 50)
    for score in SCORES:
        assert rejected(threshold_beyond(UnknownRule(score), scores, beyond), scores).sum() == beyond
