"""What a model knew is measured on made-up features, and on images where there are any."""

from __future__ import annotations

import numpy as np

from edgecnn.features.class_statistics import class_statistics
from edgecnn.features.linear_head import HeadExamples, LinearHead
from edgecnn.teaching.head.known_classes import KnownClasses

NONE = HeadExamples(np.empty((0, 2)), np.empty(0, int), np.empty(0))


def two_classes():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1], 100)
    return class_statistics(np.array([[4.0, 0.0], [0.0, 4.0]])[truth] + random.standard_normal((200, 2)), truth, 2)


def test_a_new_class_that_takes_a_known_ones_place_is_a_loss() -> None:
    known = KnownClasses.of(two_classes(), (0, 1), 20, 0)
    before = LinearHead(np.eye(2), np.zeros(2))
    harmless = LinearHead(np.array([[1.0, 0], [0, 1], [-1, -1]]), np.array([0.0, 0, -9]))
    greedy = LinearHead(np.array([[1.0, 0], [0, 1], [1, 0]]), np.array([0.0, 0, 1]))
    none = np.empty((0, 3))
    found = known.loss(before, harmless, NONE, none[:, :2], none)
    assert found.drop == 0
    assert found.before > 0.98
    assert abs(known.loss(before, greedy, NONE, none[:, :2], none).after - 0.5) < 0.02


def test_an_absent_class_counts_as_much_as_one_with_images() -> None:
    known = KnownClasses.of(two_classes(), (1,), 20, 0)
    assert known.fitted is not None
    assert set(known.fitted.truth.tolist()) == {1}
    assert known.fitted.counts.sum() == 20


def test_features_to_evaluate_on_are_not_those_that_are_fitted() -> None:
    known = KnownClasses.of(two_classes(), (0, 1), 20, 0)
    assert known.fitted is not None
    assert known.evaluated is not None
    fitted = {row.tobytes() for row in known.fitted.features}
    assert not fitted & {row.tobytes() for row in known.evaluated.features}


def test_without_statistics_the_images_tell() -> None:
    known = KnownClasses.of(None, (), 20, 0)
    images = HeadExamples(np.zeros((4, 2)), np.array([0, 0, 1, 1]), np.ones(4))
    before = np.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    after = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    head = LinearHead(np.eye(2), np.zeros(2))
    found = known.loss(head, head, images, before, after)
    assert (found.before, found.after) == (0.75, 0.75)
