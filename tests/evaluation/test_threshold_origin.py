"""How many unknown frames are usual follows from how many images the threshold was fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.ood_threshold import fit_threshold, rejected
from edgecnn.evaluation.threshold_origin import ThresholdOrigin, least_unusual_count
from edgecnn.manifest import UnknownRule

RULE = UnknownRule("feature_distance")


@pytest.mark.parametrize("images", [40, 80, 119, 200, 420, 1000])
def test_the_fewest_images_that_give_the_rate_are_found(images: int) -> None:
    rule = fit_threshold(RULE, np.random.default_rng(images).random(images))
    found = ThresholdOrigin.of(rule)
    assert found is not None
    assert found.images <= images
    assert round(found.rejected / found.images, 4) == rule.false_reject_rate
    assert found.expected_rate <= 0.05 + 1e-9


def test_a_rate_that_somebody_chose_is_traced_too() -> None:
    assert ThresholdOrigin.of(UnknownRule("energy", 1.0, 0.1)) == ThresholdOrigin(40, 4)


@pytest.mark.parametrize("rule", [UnknownRule(), UnknownRule("max_probability", 0.0, 0.0)])
def test_a_rule_that_is_off_has_no_origin(rule: UnknownRule) -> None:
    assert ThresholdOrigin.of(rule) is None


@pytest.mark.parametrize("fitted", [40, 200])
def test_frames_like_the_fitted_ones_are_seldom_called_unusual(fitted: int) -> None:
    """Whatever the distribution of the scores: here a heavy-tailed one."""
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(1000):
        rule = fit_threshold(RULE, random.standard_cauchy(fitted))
        origin = ThresholdOrigin.of(rule)
        assert origin is not None
        alarms += int(rejected(rule, random.standard_cauchy(100)).sum()) > origin.most_usual(100, 0.05)
    assert 5 <= alarms <= 70  # of 50 to be expected at most


def test_the_count_agrees_with_the_distribution_in_a_case_that_can_be_written_down() -> None:
    # Of two equally likely sides of one fitted score, n new ones lie beyond it in k cases with probability 1 / (n + 1)
    assert least_unusual_count(1, 0, 9, 0.1) == 9
    assert least_unusual_count(1, 0, 9, 0.099) == 10
    assert least_unusual_count(1, 0, 9, 0.2) == 8
