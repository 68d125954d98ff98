"""Frames of one scene count as one, and memory is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.expected_accuracy import AccuracyReference
from edgecnn.evaluation.recent_scenes import RecentScenes
from edgecnn.features.class_shift import ClassShift
from edgecnn.features.class_statistics import class_statistics
from edgecnn.manifest import UnknownRule

RULE = UnknownRule("feature_distance", 0.5, 0.05)
PLAIN = AccuracyReference(100, None, None)


def signature(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, 256).astype(np.uint8)


def probabilities(confidence: float) -> np.ndarray:
    return np.array([confidence, 1 - confidence], np.float32)


def test_repeats_of_a_scene_count_as_one_frame_with_their_mean() -> None:
    scenes = RecentScenes(RULE, PLAIN)
    for confidence, score in ((0.9, 0.1), (0.8, 0.9), (0.7, 0.9), (0.8, 0.1)):
        scenes.add(signature(0), probabilities(confidence), score, None)
    scenes.add(signature(1), probabilities(0.6), 0.9, None)
    found = scenes.evidence
    assert (found.frames, found.scenes) == (5, 2)
    assert found.confidence == pytest.approx((0.8 + 0.6) / 2)
    assert found.unknown_share == pytest.approx((0.5 + 1) / 2)


def test_the_scene_that_was_seen_longest_ago_goes_first() -> None:
    scenes = RecentScenes(RULE, PLAIN, most=3)
    for seed, confidence in ((0, 0.6), (1, 1.0), (2, 1.0), (0, 0.6), (3, 1.0), (4, 1.0)):
        scenes.add(signature(seed), probabilities(confidence), 0.0, None)
    found = scenes.evidence  # 0, 3 and 4
    assert (found.frames, found.scenes) == (4, 3)
    assert found.confidence == pytest.approx((0.6 + 1 + 1) / 3)


def test_memory_does_not_grow_with_the_frames() -> None:
    scenes = RecentScenes(RULE, PLAIN, most=10)
    sizes = [array.nbytes for array in vars(scenes).values() if isinstance(array, np.ndarray)]
    for seed in range(100):
        scenes.add(signature(seed), probabilities(0.9), 0.0, None)
    assert [array.nbytes for array in vars(scenes).values() if isinstance(array, np.ndarray)] == sizes
    assert scenes.evidence.scenes == 10


def test_a_rule_on_the_probability_and_a_rule_that_is_off() -> None:
    low = RecentScenes(UnknownRule("max_probability", 0.7, 0.05), PLAIN)
    off = RecentScenes(UnknownRule(), PLAIN)
    for seed, confidence in enumerate((0.6, 0.8, 0.9, 0.95)):
        for scenes in (low, off):
            scenes.add(signature(seed), probabilities(confidence), None, None)
    assert low.evidence.unknown_share == pytest.approx(0.25)
    assert off.evidence.unknown_share is None


def test_the_residuals_are_those_of_all_frames_together() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    features = (random.standard_normal((60, 12)) + 3 * labels[:, None]).astype(np.float32)
    statistics = class_statistics(features, labels, 2)
    assert statistics is not None
    shift = ClassShift.of(statistics)
    assert shift is not None
    scenes = RecentScenes(RULE, AccuracyReference(60, None, shift))
    answers = np.stack([probabilities(0.9 - 0.8 * label) for label in labels])
    for i in range(60):
        scenes.add(signature(i), answers[i], 0.0, features[i])
    found = scenes.evidence
    assert found.residual == pytest.approx(shift.residuals(features, answers).mean(0), abs=1e-4)
    assert found.shares == pytest.approx(answers.mean(0), abs=1e-5)
    scenes.add(signature(60), answers[0], 0.0, None)  # without features the shift is not known, rather than smaller
    assert scenes.evidence.residual is None


def test_nothing_was_seen_at_first() -> None:
    found = RecentScenes(RULE, PLAIN).evidence
    assert (found.frames, found.scenes) == (0, 0)
