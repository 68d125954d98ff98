"""From probabilities to an answer, or to the reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.runtime.decision import Score, decide

LABELS = ("cat", "dog", "owl")


def decided(*probabilities: float, threshold: float = 0.0, topk: int = 3):
    return decide(np.array(probabilities, np.float32), LABELS[: len(probabilities)], threshold, topk)


def test_the_most_probable_class_is_the_answer() -> None:
    found = decided(0.25, 0.5, 0.25, threshold=0.5)
    assert (found.status, found.reason, found.index, found.score) == ("ok", None, 1, 0.5)
    assert found.top == (Score("dog", 0.5), Score("cat", 0.25), Score("owl", 0.25))


def test_below_the_threshold_the_answer_is_unknown_and_the_guess_stays_in_top() -> None:
    found = decided(0.25, 0.5, 0.25, threshold=0.62)
    assert (found.status, found.index, found.score) == ("unknown", None, None)
    assert found.top[0] == Score("dog", 0.5)
    assert "0.50" in (found.reason or "")
    assert "0.62" in (found.reason or "")


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        ((float("nan"), 0.5, 0.5), "nan"),
        ((float("nan"),) * 3, "nan"),
        ((float("inf"), 0.0, 0.0), "inf"),
        ((0.5, 0.2, 0.1), "sum to 0.8"),
        ((0.9, 0.2, 0.1), "sum to 1.2"),
        ((0.0, 0.0, 0.0), "sum to 0"),
        ((12.0, -3.0, 5.0), "sum to 14"),
        ((1 / 3, 1 / 3, 1 / 3), "equal"),
        ((0.5, 0.5), "equal"),
    ],
)
@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_probabilities_that_are_none_give_no_decision_with_the_reason(
    probabilities: tuple[float, ...], words: str, threshold: float
) -> None:
    found = decided(*probabilities, threshold=threshold)
    assert (found.status, found.index, found.score, found.top) == ("no_decision", None, None, ())
    assert words in (found.reason or "")


def test_infinities_of_both_signs_give_no_decision_without_a_warning() -> None:
    assert decided(float("inf"), float("-inf"), 0.0).status == "no_decision"


@pytest.mark.parametrize("topk", [1, 5, 100, 300])
@pytest.mark.parametrize("classes", [64, 65, 300])
def test_of_many_classes_the_best_are_named_in_order_too_and_of_equal_ones_the_first(classes: int, topk: int) -> None:
    labels = tuple(map(str, range(classes)))
    for seed in range(20):
        counts = np.random.default_rng(seed).integers(1, 9, classes)  # many are equal
        probabilities = (counts / counts.sum()).astype(np.float32)
        found = decide(probabilities, labels, 0.0, topk)
        expected = sorted(range(classes), key=lambda i: (-counts[i], i))[:topk]
        assert [score.label for score in found.top] == [labels[i] for i in expected]
        assert (found.status, found.index, type(found.index), type(found.score)) == ("ok", expected[0], int, float)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("first", "words"),
    [
        ((np.nan, 1), "nan"),
        ((np.inf, -np.inf), "inf"),
        ((1.5, -0.5), "negative"),
        ((0.5, 0.4), "sum to 0.9"),
        ((0, 0), "sum to 0"),
    ],
)
def test_many_probabilities_that_are_none_give_no_decision_with_the_reason(
    first: tuple[float, float], words: str
) -> None:
    found = decide(np.array([*first, *[0.0] * 200], np.float32), tuple(map(str, range(202))), 0.0, 5)
    assert (found.status, found.top) == ("no_decision", ())
    assert words in (found.reason or "")


def test_many_equal_probabilities_name_no_class() -> None:
    assert "equal" in (decide(np.full(200, 1 / 200, np.float32), tuple(map(str, range(200))), 0.0, 5).reason or "")


def test_numbers_outside_0_to_1_that_sum_to_1_are_no_probabilities() -> None:
    assert decided(1.5, -0.5).status == "no_decision"


def test_a_sum_off_by_rounding_is_taken() -> None:
    assert decided(0.5, 0.3, 0.2005).status == "ok"
    assert decided(0.5, 0.3, 0.202).status == "no_decision"


@pytest.mark.parametrize("topk", [1, 2, 3, 9])
def test_top_has_as_many_classes_as_asked_for_best_first(topk: int) -> None:
    found = decided(0.2, 0.3, 0.5, topk=topk)
    assert [s.label for s in found.top] == ["owl", "dog", "cat"][:topk]


@pytest.mark.parametrize("topk", [1, 2])
def test_of_two_equal_classes_the_first_leads_in_the_answer_and_in_top(topk: int) -> None:
    found = decided(0.1, 0.45, 0.45, topk=topk)
    assert (found.index, found.top[0].label) == (1, "dog")


def test_scores_are_plain_numbers_that_json_takes() -> None:
    found = decided(0.2, 0.3, 0.5)
    assert type(found.score) is float
    assert type(found.index) is int
    assert type(found.top[0].score) is float


def scored(unknown_score: float, threshold: float = 0.5):
    return decide(np.array([0.3, 0.7], np.float32), LABELS[:2], threshold, 2, unknown_score)


def test_above_the_threshold_of_an_unknown_score_the_answer_is_unknown_however_sure_the_classifier_is() -> None:
    found = scored(0.51)
    assert (found.status, found.index, found.score) == ("unknown", None, None)
    assert found.top[0].label == "dog"
    assert "0.510 is above" in (found.reason or "")


@pytest.mark.parametrize("score", [0.5, 0.0, -3.0])
def test_at_or_below_the_threshold_of_an_unknown_score_the_answer_stands(score: float) -> None:
    assert scored(score).status == "ok"
    assert scored(score, threshold=0.9).score == pytest.approx(
        0.7
    )  # the probability is not held against that threshold


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_an_unknown_score_that_is_no_number_gives_no_decision(score: float) -> None:
    found = scored(score)
    assert (found.status, found.top) == ("no_decision", ())
    assert "unknown score" in (found.reason or "")
