"""What holds for the decision and for smoothing, whatever the network answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from properties import examples, hypothesis, strategies

from edgecnn.runtime.decision import decide
from edgecnn.runtime.smoothing.smoother import Smoother, SmoothingOptions

SEEDS = strategies.integers(0, 2**32 - 1)
CLASSES = strategies.sampled_from((2, 3, 10, 64, 65, 200))  # lists of few, arrays of many
THRESHOLDS = strategies.floats(0, 1.5)
NO_NUMBERS = strategies.sampled_from((np.nan, np.inf, -np.inf))


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(classes))


def drawn(classes: int, seed: int) -> NDArray[np.float32]:
    """Probabilities, no two of which are equal."""
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5)).astype(np.float32)


@examples(30)
@hypothesis.given(classes=CLASSES, seed=SEEDS, bad=NO_NUMBERS, at=SEEDS, threshold=THRESHOLDS)
def test_no_label_comes_from_what_is_no_number(classes: int, seed: int, bad: float, at: int, threshold: float) -> None:
    probabilities = drawn(classes, seed)
    probabilities[at % classes] = bad
    found = decide(probabilities, names(classes), threshold, 5)
    assert (found.status, found.index, found.score, found.top) == ("no_decision", None, None, ())
    assert decide(drawn(classes, seed), names(classes), threshold, 5, unknown_score=bad).status == "no_decision"


@examples(30)
@hypothesis.given(classes=CLASSES, seed=SEEDS, threshold=THRESHOLDS)
def test_the_order_of_the_classes_changes_no_answer(classes: int, seed: int, threshold: float) -> None:
    labels, probabilities = names(classes), drawn(classes, seed)
    hypothesis.assume(len(set(probabilities.tolist())) == classes)
    order = np.random.default_rng(seed).permutation(classes)
    first = decide(probabilities, labels, threshold, 5)
    second = decide(probabilities[order], tuple(labels[i] for i in order), threshold, 5)
    assert (second.status, second.score, second.top, second.reason) == (
        first.status,
        first.score,
        first.top,
        first.reason,
    )
    assert second.index is None or order[second.index] == first.index


@examples(30)
@hypothesis.given(
    classes=CLASSES, seed=SEEDS, low=THRESHOLDS, high=THRESHOLDS, score=strategies.none() | strategies.floats(-5, 5)
)
def test_a_stricter_threshold_takes_answers_away_and_changes_none(
    classes: int, seed: int, low: float, high: float, score: float | None
) -> None:
    low, high = sorted((low, high))
    lenient, strict = (low, high) if score is None else (high, low)
    more, less = (decide(drawn(classes, seed), names(classes), t, 5, score) for t in (lenient, strict))
    assert more.top == less.top
    assert less.status in ("ok", "unknown")
    if less.status == "ok":
        assert less == more


@examples(30)
@hypothesis.given(classes=CLASSES, seed=SEEDS, allowed=strategies.sets(SEEDS, min_size=1, max_size=4))
def test_an_answer_is_one_of_the_allowed_labels_or_unknown(classes: int, seed: int, allowed: set[int]) -> None:
    indices = frozenset(i % classes for i in allowed)
    found = decide(drawn(classes, seed), names(classes), 0.0, 5, allowed_indices=indices)
    assert found.status == "unknown" or found.index in indices
    assert {score.label for score in found.top} <= {names(classes)[i] for i in indices}


# ---- smoothing


OPTIONS = strategies.builds(
    lambda method, window_s, enter, share, hold_s: SmoothingOptions(
        method, window_s, enter, enter * share, hold_s, gap_s=max(2.0, window_s, hold_s)
    ),
    strategies.sampled_from(("none", "average", "majority")),
    strategies.floats(0, 3),
    strategies.floats(0, 1),
    strategies.floats(0, 1),
    strategies.floats(0, 3),
)
STEPS = strategies.lists(
    strategies.tuples(
        strategies.floats(0, 3), strategies.sampled_from(("ok", "unknown", "no_decision", "error")), SEEDS
    ),
    max_size=12,
)


def smoothed(labels: tuple[str, ...], options: SmoothingOptions, steps: Any, order: Any = None) -> list[Any]:
    smoother, time_s, found = Smoother(labels, options), 0.0, []
    for pause_s, status, seed in steps:
        time_s += pause_s
        probabilities = drawn(len(labels), seed)
        given = probabilities if order is None else probabilities[order]
        found.append(smoother.update(time_s, status, given if status == "ok" else None))
    return found


@examples(30)
@hypothesis.given(options=OPTIONS, steps=STEPS, bad=NO_NUMBERS)
def test_smoothing_gives_no_label_where_no_frame_had_one(options: SmoothingOptions, steps: Any, bad: float) -> None:
    smoother, time_s = Smoother(names(3), options), 0.0
    for pause_s, status, seed in steps:
        time_s += pause_s
        probabilities = drawn(3, seed)
        probabilities[seed % 3] = bad
        found = smoother.update(time_s, status, probabilities if status == "ok" else None)
        assert found.status != "ok"
        assert (found.index, found.score) == (None, None)
        assert found.reason


@examples(30)
@hypothesis.given(options=OPTIONS, steps=STEPS, seed=SEEDS)
def test_smoothing_does_not_depend_on_the_order_of_the_classes(
    options: SmoothingOptions, steps: Any, seed: int
) -> None:
    hypothesis.assume(options.method != "majority")  # votes may be equal; of equal ones the first leads
    order = np.random.default_rng(seed).permutation(3)
    labels = names(3)
    first = smoothed(labels, options, steps)
    second = smoothed(tuple(labels[i] for i in order), options, steps, order)
    for one, other in zip(first, second, strict=True):
        assert (one.status, one.score, one.changed) == (other.status, other.score, other.changed)
        assert other.index is None or order[other.index] == one.index


@examples(30)
@hypothesis.given(options=OPTIONS, steps=STEPS)
def test_a_smoothed_label_has_at_least_the_score_that_keeps_it(options: SmoothingOptions, steps: Any) -> None:
    for found in smoothed(names(3), options, steps):
        assert (found.status == "ok") == (found.index is not None) == (found.score is not None)
        if found.score is not None:
            assert 0 <= found.score <= 1 + 1e-6
        assert (found.reason is None) == (found.status == "ok")
