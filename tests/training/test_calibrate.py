"""Calibration: the temperature that made the logits is found again, and no further gone than the mistakes support."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.training.calibrate import fit_temperature


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


@pytest.mark.parametrize("count", [50, 300])
def test_logits_that_are_all_right_sharpen_only_as_far_as_the_prior_lets_them(count: int) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (count, 4)).astype(np.float32)
    assert 0.1 < fit_temperature(logits, logits.argmax(1)) < 1.0


def test_a_lone_mistake_moves_the_temperature_less_than_the_nll_alone_would() -> None:
    """Thirty pictures that an unsure model has right and one that it has wrong: the NLL alone goes by that one."""
    random = np.random.default_rng(4)
    logits = np.stack([np.zeros(31), random.normal(1.5, 0.2, 31)], 1).astype(np.float32)
    truth = np.array([0] + [1] * 30)
    grid = np.linspace(0.05, 5, 500)
    nll = [np.log1p(np.exp(np.where(truth == 1, -1, 1) * logits[:, 1] / t)).sum() for t in grid]
    alone, found = grid[int(np.argmin(nll))], fit_temperature(logits, truth)
    assert abs(np.log(found)) < abs(np.log(alone))
    assert (found < 1) == (alone < 1)


def test_logits_without_any_knowledge_stay_within_the_bounds() -> None:
    random = np.random.default_rng(1)
    found = fit_temperature(random.normal(0, 50, (500, 3)).astype(np.float32), random.integers(0, 3, 500))
    assert 15 < found <= 20
