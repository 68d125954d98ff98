"""Calibration: the temperature that made the logits is found again, and no further gone than the mistakes support."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.temperature import fit_temperature


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


def test_evidence_of_less_than_a_nat_leaves_the_temperature_at_one() -> None:
    """Thirty-one images of a calibrated model: whatever the NLL's own minimum is, it explains nothing."""
    logits, truth = _logits(1.0, count=31)
    grid = np.linspace(0.05, 5, 500)
    nll = [_nll(logits, truth, t) for t in grid]
    assert grid[int(np.argmin(nll))] != pytest.approx(1.0, abs=0.05)
    assert fit_temperature(logits, truth) == 1.0


def test_few_mistakes_move_the_temperature_less_than_the_nll_alone_would() -> None:
    logits, truth = _logits(0.4, count=60, classes=2)
    grid = np.linspace(0.05, 5, 500)
    alone = grid[int(np.argmin([_nll(logits, truth, t) for t in grid]))]
    assert alone < fit_temperature(logits, truth) < 1.0


def _nll(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    z = logits / temperature
    return float((np.logaddexp.reduce(z, 1) - z[np.arange(len(z)), truth]).sum())


def test_logits_without_any_knowledge_stay_within_the_bounds() -> None:
    random = np.random.default_rng(1)
    found = fit_temperature(random.normal(0, 50, (500, 3)).astype(np.float32), random.integers(0, 3, 500))
    assert 15 < found <= 20
