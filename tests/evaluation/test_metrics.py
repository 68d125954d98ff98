"""The figures, against values reckoned by hand; tests/training holds them against torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.evaluation.metrics import (
    compute_metrics,
    ece_band,
    expected_calibration_error,
    mean_kl,
    poisson_interval,
    signal_to_noise_db,
    wilson_interval,
)

LABELS = ("a", "b", "c")
# truth a a b b; answers a b b a
SMALL = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1]])
FOUND = compute_metrics(SMALL, [0, 0, 1, 1], LABELS)


def test_top1_is_the_share_of_right_answers() -> None:
    assert (FOUND.images, FOUND.top1) == (4, 0.5)


def test_the_confusion_matrix_has_truth_in_rows_and_answers_in_columns() -> None:
    assert compute_metrics(SMALL, [0, 0, 1, 2], LABELS).confusion == ((1, 1, 0), (0, 1, 0), (1, 0, 0))


def test_precision_is_none_where_never_answered_and_recall_where_never_shown() -> None:
    a, _, c = compute_metrics(SMALL, [0, 0, 0, 2], LABELS).per_class
    assert (a.images, a.precision, a.recall) == (3, 0.5, 1 / 3)
    assert (c.images, c.precision, c.recall, c.f1) == (1, None, 0.0, 0.0)
    _, b, c = compute_metrics(SMALL[:1], [0], LABELS).per_class
    assert (b.precision, b.recall, b.f1) == (None, None, None)
    assert (c.label, c.images) == ("c", 0)


def test_f1_is_the_harmonic_mean_and_macro_f1_leaves_out_classes_never_shown_nor_answered() -> None:
    a, b, c = compute_metrics(SMALL, [0, 0, 0, 1], LABELS).per_class
    assert a.f1 == pytest.approx(2 / (1 / 0.5 + 1 / (1 / 3)))
    assert b.f1 == 0
    assert c.f1 is None
    assert compute_metrics(SMALL, [0, 0, 0, 1], LABELS).macro_f1 == pytest.approx((0.4 + 0) / 2)


def test_nll_is_the_mean_of_minus_the_logarithm_in_nats() -> None:
    assert FOUND.nll == pytest.approx(-(math.log(0.8) + math.log(0.2) + math.log(0.6) + math.log(0.4)) / 4)


def test_a_probability_of_zero_for_the_truth_costs_no_infinity() -> None:
    assert compute_metrics(np.array([[1.0, 0.0]]), [1], ("a", "b")).nll == pytest.approx(-math.log(1e-12))


def test_top5_is_none_below_five_classes_and_1_at_five() -> None:
    assert FOUND.top5 is None
    assert compute_metrics(np.eye(5)[[0, 1]], [4, 1], tuple("abcde")).top5 == 1.0


def test_top5_counts_the_truth_among_the_five_best() -> None:
    ranked = np.array([[0.3, 0.25, 0.2, 0.12, 0.08, 0.05]] * 6)
    assert compute_metrics(ranked, range(6), tuple("abcdef")).top5 == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("probabilities", "truth", "expected"),
    [
        ([[1.0, 0.0]], [0], 0.0),
        ([[1.0, 0.0]], [1], 1.0),
        ([[0.75, 0.25]] * 4, [0, 0, 0, 1], 0.0),
        ([[0.75, 0.25]] * 4, [0, 0, 1, 1], 0.25),
        ([[0.95, 0.05], [0.55, 0.45]], [0, 0], 0.5 * 0.05 + 0.5 * 0.45),
        ([[0.95, 0.05], [0.94, 0.06]], [0, 1], 0.945 - 0.5),  # one bin: the two gaps offset each other
    ],
)
def test_ece_is_the_gap_between_confidence_and_accuracy(probabilities: list, truth: list, expected: float) -> None:
    assert expected_calibration_error(np.array(probabilities), np.array(truth)) == pytest.approx(expected)


def test_figures_are_plain_numbers_that_json_takes() -> None:
    assert type(FOUND.top1) is float
    assert type(FOUND.macro_f1) is float
    assert all(type(v) is int for row in FOUND.confusion for v in row)


def test_half_precision_is_evaluated_in_full() -> None:
    assert compute_metrics(SMALL.astype(np.float32), [0, 0, 1, 1], LABELS).nll == pytest.approx(FOUND.nll, abs=1e-6)


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([[0.5, 0.5]], [[0.5, 0.5]], 0.0),
        ([[0.5, 0.5]], [[0.25, 0.75]], 0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)),
        ([[1.0, 0.0]], [[0.5, 0.5]], math.log(2)),
        ([[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]], math.log(2) / 2),
    ],
)
def test_kl_is_the_mean_divergence_of_the_candidate_in_nats(p: list, q: list, expected: float) -> None:
    assert mean_kl(np.array(p), np.array(q)) == pytest.approx(expected, abs=1e-9)


def test_kl_of_a_certain_answer_that_turned_is_large_and_finite() -> None:
    assert 20 < mean_kl(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) < 30


def test_signal_to_noise_is_none_where_the_two_are_equal() -> None:
    assert signal_to_noise_db(SMALL, SMALL.copy()) is None


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("decibel", [0, 20, 40])
def test_signal_to_noise_is_that_of_the_logits_behind_the_probabilities(decibel: int) -> None:
    logits = np.array([[1.0, -1.0, 0.0], [0.0, 2.0, -2.0]])  # centred
    noise = np.array([[1.0, 1.0, -2.0], [1.0, 0.0, -1.0]])
    noise *= math.sqrt((logits**2).sum() / (noise**2).sum() / 10 ** (decibel / 10))
    shift = np.array([[5.0], [-3.0]])  # softmax forgets it
    assert signal_to_noise_db(softmax(logits), softmax(logits + noise + shift)) == pytest.approx(decibel, abs=1e-6)


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
        (0, 0, 0.0, 1.0),
    ],  # 81/263: Newcombe 1998, table I
)
def test_the_wilson_interval_is_that_of_the_published_table(right: int, of: int, low: float, high: float) -> None:
    assert wilson_interval(right, of) == pytest.approx((low, high), abs=1e-4)


def test_the_wilson_interval_stays_within_0_and_1_and_holds_the_share() -> None:
    for of in (1, 2, 7, 1000):
        for right in range(of + 1):
            low, high = wilson_interval(right, of)
            assert 0 <= low <= right / of + 1e-12
            assert right / of - 1e-12 <= high <= 1


def calibrated(count: int, seed: int, sharpen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes and truths drawn from them, the probabilities then sharpened."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 2, count)
    truth = (random.random(count) < 1 / (1 + np.exp(-logit))).astype(int)
    p = 1 / (1 + np.exp(-sharpen * logit))
    return np.stack([1 - p, p], 1), truth


def test_the_ece_of_a_calibrated_model_lies_in_its_band_as_often_as_said() -> None:
    inside = 0
    for seed in range(200):
        p, truth = calibrated(150, seed)
        low, high = ece_band(p, seed, draws=200)
        inside += low <= expected_calibration_error(p, truth) <= high
    assert 0.90 < inside / 200 < 0.99


def test_an_overconfident_model_lies_above_its_band() -> None:
    p, truth = calibrated(500, 0, sharpen=3.0)
    assert expected_calibration_error(p, truth) > ece_band(p, 0)[1]


def test_the_band_narrows_as_images_are_added_and_is_the_same_for_a_seed() -> None:
    few, many = (ece_band(calibrated(count, 1)[0], 0)[1] for count in (50, 5_000))
    assert many < few / 5
    p = calibrated(60, 2)[0]
    assert ece_band(p, 3) == ece_band(p, 3) != ece_band(p, 4)


def test_answers_without_any_doubt_have_a_band_of_nothing() -> None:
    assert ece_band(np.tile([1.0, 0.0], (20, 1))) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904), (100, 81.3640, 121.6268)]
)
def test_the_poisson_interval_is_that_of_the_published_table(events: int, low: float, high: float) -> None:
    assert poisson_interval(events) == pytest.approx((low, high), rel=1e-4, abs=1e-4)


def test_the_poisson_interval_goes_on_where_it_is_no_longer_solved_for() -> None:
    (low, high), (next_low, next_high) = poisson_interval(99), poisson_interval(100)
    assert 0.85 < next_low - low < 1.0
    assert 1.0 < next_high - high < 1.15
    assert poisson_interval(5000) == pytest.approx((5000 - 1.96 * 5000**0.5, 5000 + 1.96 * 5000**0.5), abs=3)


def test_kl_is_never_negative_though_rows_of_float32_sum_to_one_only_nearly() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(1000), 4).astype(np.float32)
    for step in range(-3, 4):
        q = (p * np.float32(1 + step * 1e-7)).astype(np.float32)
        assert 0 <= mean_kl(p, q) < 1e-6
