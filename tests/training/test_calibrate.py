"""Calibration: the temperature that made the logits is found again, the threshold rejects what it says."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.training.calibrate import FALSE_REJECT_RATE, fit_temperature, fit_unknown


def _logits(temperature: float, count: int = 8_000, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose truth is drawn from their softmax at a temperature, by the Gumbel-max rule."""
    random = np.random.default_rng(11)
    logits = random.normal(0, 3, (count, classes)).astype(np.float32)
    return logits, (logits / temperature + random.gumbel(size=logits.shape)).argmax(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5, 5.0])
def test_a_known_temperature_is_recovered_within_five_percent(temperature: float) -> None:
    assert fit_temperature(*_logits(temperature)) == pytest.approx(temperature, rel=0.05)


def test_two_columns_of_a_single_logit_are_fitted_too() -> None:
    random = np.random.default_rng(2)
    logit = random.normal(0, 6, 10_000).astype(np.float32)
    truth = (random.random(10_000) < 1 / (1 + np.exp(-logit / 3))).astype(int)
    assert fit_temperature(np.stack([np.zeros_like(logit), logit], 1), truth) == pytest.approx(3, rel=0.05)


def test_logits_that_are_all_right_are_left_as_they_are() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 4)).astype(np.float32)
    assert fit_temperature(logits, logits.argmax(1)) == 1.0


def test_logits_without_any_knowledge_stay_within_the_bounds() -> None:
    random = np.random.default_rng(1)
    found = fit_temperature(random.normal(0, 50, (500, 3)).astype(np.float32), random.integers(0, 3, 500))
    assert 15 < found <= 20


@pytest.mark.parametrize(("count", "rate"), [(1000, FALSE_REJECT_RATE), (1000, 0.2), (40, 0.05), (137, 0.1)])
def test_the_threshold_rejects_the_stated_share_of_the_fitting_pictures(count: int, rate: float) -> None:
    logits = np.random.default_rng(count).normal(0, 2, (count, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rule = fit_unknown(p, rate)
    rejected = (p.max(1) < rule.threshold).mean()
    assert rule.false_reject_rate == pytest.approx(rejected, abs=1e-4)
    assert rate - 2 / count <= rejected <= rate


def test_equal_scores_are_never_all_rejected() -> None:
    rule = fit_unknown(np.tile([0.9, 0.1], (100, 1)))
    assert rule.threshold <= 0.9
    assert rule.false_reject_rate == 0.0


def test_too_few_pictures_give_no_threshold() -> None:
    p = np.tile([0.6, 0.4], (39, 1))
    assert fit_unknown(p).threshold == 0.0
    assert fit_unknown(p).false_reject_rate == 0.0
    assert fit_unknown(np.tile([0.6, 0.4], (40, 1))).threshold == pytest.approx(0.6)
