"""The shift of features is 0 for images like the known ones in any mixture of classes, and measured in their spread."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import ManifestError
from edgecnn.features.class_shift import ClassShift
from edgecnn.features.class_statistics import ClassStatistics, class_statistics

CLASSES, WIDTH = 3, 40


@pytest.fixture(scope="module")
def statistics() -> ClassStatistics:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 400)
    spread = np.linspace(3, 0.3, WIDTH)
    features = 8 * np.eye(CLASSES, WIDTH)[labels] + random.standard_normal((len(labels), WIDTH)) * spread
    found = class_statistics(features, labels, CLASSES)
    assert found is not None
    return found


def drawn(statistics: ClassStatistics, counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and certain probabilities of images of each class."""
    random = np.random.default_rng(seed)
    features = np.concatenate([statistics.draw(label, n, random) for label, n in enumerate(counts)])
    return features, np.eye(CLASSES, dtype=np.float32)[np.repeat(np.arange(CLASSES), counts)]


@pytest.mark.parametrize("counts", [[500, 500, 500], [1500, 0, 0], [100, 1000, 400]])
def test_residuals_of_images_like_the_known_ones_have_mean_0_and_variance_1(
    statistics: ClassStatistics, counts: list[int]
) -> None:
    shift = ClassShift.of(statistics)
    assert shift is not None
    residuals = shift.residuals(*drawn(statistics, counts, 1))
    assert abs(residuals.mean(0)).max() < 0.15
    assert residuals.std(0) == pytest.approx(np.ones(residuals.shape[1]), abs=0.15)


def test_moved_features_are_found_by_their_size(statistics: ClassStatistics) -> None:
    shift = ClassShift.of(statistics)
    assert shift is not None
    features, probabilities = drawn(statistics, [500, 500, 500], 2)
    moved = features + 0.5 * statistics.directions.sum(0)  # half a deviation in each direction
    before, after = (shift.residuals(f, probabilities).mean(0) for f in (features, moved))
    assert np.allclose(abs(after - before), 0.5, atol=1e-3)


def test_one_image_is_measured_as_a_row_of_many(statistics: ClassStatistics) -> None:
    shift = ClassShift.of(statistics)
    assert shift is not None
    features, probabilities = drawn(statistics, [2, 1, 0], 3)
    assert np.allclose(shift.residuals(features[1], probabilities[1]), shift.residuals(features, probabilities)[1])


def test_the_means_of_rare_classes_are_less_certain(statistics: ClassStatistics) -> None:
    shift = ClassShift.of(statistics)
    assert shift is not None
    assert shift.mean_variance(np.array([1.0, 0, 0])) == pytest.approx(1 / 400)
    assert shift.mean_variance(np.full(3, 1 / 3)) == pytest.approx(1 / 1200)


def test_classes_of_images_that_are_all_alike_give_no_shift() -> None:
    alike = class_statistics(np.ones((40, WIDTH)), np.repeat([0, 1], 20), 2)
    assert alike is not None
    assert ClassShift.of(alike) is None


def test_other_features_are_refused(statistics: ClassStatistics) -> None:
    shift = ClassShift.of(statistics)
    assert shift is not None
    with pytest.raises(ManifestError, match="do not fit the model"):
        shift.residuals(np.zeros(WIDTH + 1, np.float32), np.full(CLASSES, 1 / CLASSES, np.float32))
