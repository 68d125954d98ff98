"""The estimate covers the truth where the frames are as taught, and the alarm sounds where they are others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.errors import ManifestError
from edgecnn.evaluation.expected_accuracy import (
    FEWEST_SCENES,
    AccuracyReference,
    Evidence,
    ExpectedAccuracy,
    expected_accuracy,
)
from edgecnn.evaluation.threshold_origin import ThresholdOrigin
from edgecnn.features.class_shift import ClassShift
from edgecnn.features.class_statistics import class_statistics
from edgecnn.manifest import (
    InputSpec,
    Manifest,
    Normalization,
    PreprocessSpec,
    TaughtRecord,
    TrainingRecord,
    UnknownRule,
)

WIDTH, TAUGHT = 16, 200
TRAINING = TrainingRecord("net", "run", "", 0.9, 0)
MANIFEST = Manifest(("a", "b"), InputSpec(8, 8), PreprocessSpec(), Normalization(), UnknownRule(), TRAINING, "test")


class World:
    """Two classes of normally distributed features, a model that knows their true odds, and what it remembers."""

    def __init__(self) -> None:
        labels, features = self.frames(TAUGHT, np.random.default_rng(0))
        statistics = class_statistics(features, labels, 2)
        assert statistics is not None
        self.reference = AccuracyReference(TAUGHT, ThresholdOrigin(TAUGHT, 9), ClassShift.of(statistics))

    @staticmethod
    def frames(count: int, random: np.random.Generator, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        labels = (random.random(count) < share).astype(int)
        features = random.standard_normal((count, WIDTH)).astype(np.float32)
        features[:, 0] += 2.4 * (labels - 0.5)
        return labels, features

    def look(self, labels: np.ndarray, features: np.ndarray, unknown: float) -> tuple[ExpectedAccuracy, float]:
        """The estimate and the truth."""
        second = 1 / (1 + np.exp(-2.4 * features[:, 0]))
        probabilities = np.stack([1 - second, second], 1).astype(np.float32)
        shift = self.reference.shift
        assert shift is not None
        evidence = Evidence(
            frames=len(labels),
            scenes=len(labels),
            confidence=float(probabilities.max(1).mean()),
            unknown_share=unknown,
            residual=shift.residuals(features, probabilities).mean(0),
            shares=probabilities.mean(0),
        )
        return expected_accuracy(evidence, self.reference), float((probabilities.argmax(1) == labels).mean())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def inside(found: ExpectedAccuracy, truth: float) -> bool:
    assert found.interval is not None
    return found.interval[0] - 1e-9 <= truth <= found.interval[1] + 1e-9


@pytest.mark.parametrize("count", [30, 300])
def test_the_interval_covers_the_truth_on_frames_as_taught_without_an_alarm(world: World, count: int) -> None:
    random = np.random.default_rng(count)
    looks = [world.look(*world.frames(count, random), unknown=0.05) for _ in range(100)]
    assert sum(inside(found, truth) for found, truth in looks) >= 95
    assert sum(found.alarm is not False for found, _ in looks) <= 3
    widths = [found.interval[1] - found.interval[0] for found, _ in looks if found.interval]
    assert np.median(widths) < (0.45 if count == 30 else 0.2)  # an interval of everything would cover, and tell nothing


def test_features_that_have_moved_sound_the_alarm(world: World) -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        labels, features = world.frames(60, random)
        found, _ = world.look(labels, features + np.float32(0.6), unknown=0.05)
        assert found.alarm is True
        assert found.expected_top1 is None
        assert found.reason is not None
        assert "the mean of the features has moved by 0." in found.reason


@pytest.mark.parametrize("moved", [0.1, 0.2, 0.3])
def test_between_a_small_move_and_the_alarm_the_interval_covers(world: World, moved: float) -> None:
    """A move along the difference of the classes costs the most answers."""
    random = np.random.default_rng(6)
    for _ in range(50):
        labels, features = world.frames(100, random)
        features[:, 0] += np.float32(moved * 4)
        found, truth = world.look(labels, features, unknown=0.05)
        assert found.alarm or inside(found, truth)


def test_too_many_unknown_frames_sound_the_alarm(world: World) -> None:
    labels, features = world.frames(100, np.random.default_rng(7))
    found, truth = world.look(labels, features, unknown=0.3)
    assert (found.alarm, found.expected_top1) == (True, None)
    assert found.reason == "30 % of the frames are unknown to the model, 5 % would be usual"
    assert inside(found, truth)
    assert found.interval is not None
    assert found.interval[0] <= truth * 0.8


def test_frames_that_are_all_unknown_may_all_be_wrong(world: World) -> None:
    found, _ = world.look(*world.frames(100, np.random.default_rng(8)), unknown=1.0)
    assert found.interval == (0.0, 1.0)


def test_one_class_alone_widens_the_interval(world: World) -> None:
    both, _ = world.look(*world.frames(200, np.random.default_rng(9)), unknown=0.05)
    alone, truth = world.look(*world.frames(200, np.random.default_rng(9), share=1.0), unknown=0.05)
    assert both.interval is not None
    assert alone.interval is not None
    assert alone.interval[0] < both.interval[0]
    assert alone.interval[1] > both.interval[1]
    assert alone.alarm or inside(alone, truth)


def test_a_class_that_has_the_unknown_images_may_become_more_frequent_without_an_alarm(world: World) -> None:
    """Twice as many of the class, twice as many unknown: the model has met them all. More than that is drift."""
    alone = world.frames(200, np.random.default_rng(10), share=1.0)
    assert world.look(*alone, unknown=0.17)[0].alarm is False
    assert world.look(*alone, unknown=0.4)[0].alarm is True
    both = world.frames(200, np.random.default_rng(10))
    assert world.look(*both, unknown=0.17)[0].alarm is True


def test_few_scenes_give_no_estimate(world: World) -> None:
    found, _ = world.look(*world.frames(FEWEST_SCENES - 1, np.random.default_rng(0)), unknown=1.0)
    assert (found.expected_top1, found.interval, found.alarm) == (None, None, None)
    assert found.reason == "19 different scenes are too few: at least 20 are needed"


SEEN = Evidence(100, 100, 0.9, 0.05)


def test_without_statistics_drift_may_go_unseen() -> None:
    found = expected_accuracy(SEEN, AccuracyReference(TAUGHT, ThresholdOrigin(TAUGHT, 9), None))
    assert (found.expected_top1, found.alarm, found.shift) == (0.9, None, None)
    assert found.reason is not None
    assert "drift can be seen only by the share of unknown frames" in found.reason
    many = expected_accuracy(
        replace(SEEN, unknown_share=0.5), AccuracyReference(TAUGHT, ThresholdOrigin(TAUGHT, 9), None)
    )
    assert (many.alarm, many.expected_top1) == (True, None)


def test_a_model_without_rule_and_statistics_sees_no_drift_at_all() -> None:
    reference = AccuracyReference.of(MANIFEST, None)
    assert (reference.images, reference.threshold, reference.shift) == (40, None, None)
    found = expected_accuracy(replace(SEEN, unknown_share=None), reference)
    assert (found.alarm, found.expected_top1) == (None, 0.9)
    assert found.reason is not None
    assert "seen not at all" in found.reason


def test_a_network_of_others_gives_no_estimate() -> None:
    foreign = MANIFEST.replace(training=replace(TRAINING, val_top1=None))
    found = expected_accuracy(replace(SEEN, unknown_share=None), AccuracyReference.of(foreign, None))
    assert (found.expected_top1, found.interval, found.alarm) == (None, None, None)
    assert found.reason is not None
    assert "neither trained nor taught here" in found.reason


def test_a_taught_file_is_worth_the_images_that_it_was_taught() -> None:
    taught = MANIFEST.replace(taught=TaughtRecord("", 70, ("a",), 0.9, (0.8, 1.0)))
    assert AccuracyReference.of(taught, None).images == 70


def test_statistics_of_other_classes_are_refused() -> None:
    statistics = class_statistics(np.random.default_rng(0).random((30, 4)), np.repeat([0, 1, 2], 10), 3)
    with pytest.raises(ManifestError, match="do not fit the model"):
        AccuracyReference.of(MANIFEST, statistics)
