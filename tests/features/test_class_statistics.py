"""Statistics of classes: what is drawn from them is spread as the features were, and they survive the model file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.errors import ManifestError
from edgecnn.features.class_statistics import MAX_CLASSES, ClassStatistics, class_statistics, merged


def features(seed: int = 0, classes: int = 3, each: int = 400, width: int = 48) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((width, width)) * np.geomspace(2, 0.05, width)[:, None]
    centres = random.standard_normal((classes, width)) * 3
    truth = np.repeat(np.arange(classes), each)
    return centres[truth] + random.standard_normal((classes * each, width)) @ mixing, truth


def covariance(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    means = np.stack([values[truth == c].mean(0) for c in np.unique(truth)])
    apart = values - means[truth]
    return apart.T @ apart / len(values)


def test_draws_have_the_means_and_the_spread_of_the_features() -> None:
    values, truth = features()
    found = class_statistics(values, truth, 3)
    assert found is not None
    random = np.random.default_rng(1)
    drawn = np.concatenate([found.draw(c, 4000, random) for c in range(3)])
    labels = np.repeat(np.arange(3), 4000)
    for c in range(3):
        np.testing.assert_allclose(drawn[labels == c].mean(0), values[truth == c].mean(0), atol=0.35)
    expected = covariance(values, truth)
    difference = np.linalg.norm(covariance(drawn, labels) - expected) / np.linalg.norm(expected)
    assert difference < 0.1


def test_a_logit_of_draws_has_the_mean_and_the_spread_of_the_features() -> None:
    values, truth = features()
    found = class_statistics(values, truth, 3)
    assert found is not None
    direction = np.random.default_rng(5).standard_normal(values.shape[1])
    drawn = found.draw(1, 20000, np.random.default_rng(2)) @ direction
    own = (values - np.stack([values[truth == c].mean(0) for c in range(3)])[truth]) @ direction
    assert drawn.mean() == pytest.approx((values[truth == 1] @ direction).mean(), abs=0.5)
    assert drawn.std() == pytest.approx(own.std(), rel=0.1)


def test_the_json_text_gives_the_same_statistics() -> None:
    values, truth = features()
    found = class_statistics(values, truth, 3)
    assert found is not None
    again = ClassStatistics.from_json(found.to_json())
    assert again.counts == found.counts == (400, 400, 400)
    for name in ("means", "directions", "rest"):
        np.testing.assert_allclose(getattr(again, name), getattr(found, name), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"means": "AAAA"},
        {"counts": []},
        {"counts": [10**400, 1, 1]},
        {"rest": "!"},
        {"directions": None},
        {"means": "AHwAfA==", "counts": [1], "rest": "AAAAAA==", "directions": ""},  # infinite
    ],
)
def test_texts_that_are_no_statistics_are_refused(change: dict[str, object]) -> None:
    values, truth = features()
    found = class_statistics(values, truth, 3)
    assert found is not None
    with pytest.raises(ManifestError, match="statistics of the classes"):
        ClassStatistics.from_json(json.dumps({**json.loads(found.to_json()), **change}))


def test_statistics_merged_are_those_of_all_features() -> None:
    values, truth = features(classes=4)
    first, rest = truth < 2, truth >= 2
    one, other = class_statistics(values[first], truth[first], 2), class_statistics(values[rest], truth[rest] - 2, 2)
    whole = class_statistics(values, truth, 4)
    assert one is not None
    assert other is not None
    assert whole is not None
    found = merged(one, other, [2, 3])
    assert found.counts == whole.counts
    np.testing.assert_allclose(found.means, whole.means, atol=1e-4)
    both = [s.directions.T @ s.directions + np.diag(s.rest**2) for s in (found, whole)]
    assert np.linalg.norm(both[0] - both[1]) / np.linalg.norm(both[1]) < 0.02


def test_more_images_of_a_known_class_move_its_mean_by_their_share() -> None:
    random = np.random.default_rng(0)
    one = class_statistics(random.standard_normal((40, 8)), np.repeat([0, 1], 20), 2)
    more = class_statistics(random.standard_normal((60, 8)) + 4, np.zeros(60, int), 1)
    assert one is not None
    assert more is not None
    found = merged(one, more, [1])
    assert found.counts == (20, 80)
    np.testing.assert_allclose(found.means[0], one.means[0])
    np.testing.assert_allclose(found.means[1], one.means[1] * 0.25 + more.means[0] * 0.75, atol=1e-5)


def test_a_class_without_images_too_many_classes_and_nan_give_none() -> None:
    values, truth = features()
    assert class_statistics(values, truth, 4) is None
    assert class_statistics(np.full((3, 8), np.nan), [0, 1, 2], 3) is None
    many = MAX_CLASSES + 1
    assert class_statistics(np.zeros((many, 8)), np.arange(many), many) is None
