"""The forecast's intervals hold what more images bring."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.features.linear_head import HeadExamples, HeadFit, LinearHead
from edgecnn.teaching.validation.cross_validation import cross_validate
from edgecnn.teaching.validation.folded_images import FoldedImages
from edgecnn.teaching.validation.folds import assign_folds
from edgecnn.teaching.validation.forecast import CurvePoint, forecast, learning_curve

WIDTH, CLASSES = 64, 4


def drawn(each: int, random: np.random.Generator) -> HeadExamples:
    centres = np.random.default_rng(7).standard_normal((CLASSES, WIDTH)) * 0.45
    truth = np.repeat(np.arange(CLASSES), each)
    return HeadExamples(centres[truth] + random.standard_normal((len(truth), WIDTH)), truth, np.ones(len(truth)))


def heads_error(shown: HeadExamples, test: HeadExamples) -> float:
    head = HeadFit(shown, LinearHead(np.zeros((CLASSES, WIDTH)), np.zeros(CLASSES)), np.ones(CLASSES, bool)).fit(1e-2)
    return float((head.logits(test.features).argmax(1) != test.truth).mean())


def test_the_truth_lies_in_the_interval_in_at_least_18_of_20_draws() -> None:
    test, inside = drawn(1000, np.random.default_rng(100)), 0
    start, free = LinearHead(np.zeros((CLASSES, WIDTH)), np.zeros(CLASSES)), np.ones(CLASSES, bool)
    for seed in range(10):
        random = np.random.default_rng(seed)
        shown = drawn(30, random)
        copies = np.arange(len(shown.truth))
        folds = assign_folds(shown.truth.tolist(), copies.tolist(), seed)
        folded = FoldedImages(start, free, shown, folds, copies)
        curve = learning_curve(folded, cross_validate(folded), np.zeros(CLASSES), seed)
        for expected, times in zip(forecast(curve, 30), (2, 4), strict=True):
            assert expected.images_per_class == 30 * times
            truth = 1 - heads_error(drawn(30 * times, random), test)
            inside += expected.interval[0] <= truth <= expected.interval[1]
    assert inside >= 18


def test_more_images_make_the_interval_narrower() -> None:
    few = forecast([CurvePoint(10, 2, 20), CurvePoint(20, 1, 20)], 25)[0]
    many = forecast([CurvePoint(100, 200, 2000), CurvePoint(200, 100, 2000)], 250)[0]
    assert many.interval[1] - many.interval[0] < few.interval[1] - few.interval[0]


def test_no_error_at_all_promises_no_certainty() -> None:
    found = forecast([CurvePoint(5, 0, 40), CurvePoint(10, 0, 40), CurvePoint(16, 0, 40)], 20)
    for expected in found:
        assert 0.9 < expected.interval[0] < expected.top1 <= expected.interval[1] <= 1


@pytest.mark.parametrize("errors", [40, 20])
def test_a_model_that_knows_nothing_is_not_promised_to_learn(errors: int) -> None:
    found = forecast([CurvePoint(n, errors, 40) for n in (5, 10, 16)], 20)[0]
    assert found.interval[0] < 1 - errors / 40 + 0.2
