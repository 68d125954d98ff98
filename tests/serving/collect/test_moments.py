"""Frames of one moment are one group, and a fixed camera that sees something else begins another."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from scenes import jpeg, scene

from edgecnn.data_quality.thumbnail import Thumbnail, thumbnail
from edgecnn.serving.collect.moments import Moments, is_same_moment

SEEDS = range(6)


def small(image: np.ndarray) -> Thumbnail:
    return thumbnail(np.ascontiguousarray(image[..., ::-1]))


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    return np.clip(image + np.random.default_rng(seed).normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def shaken(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    moved = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(image, moved, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def with_object(image: np.ndarray, x: int, y: int, radius: int = 40) -> np.ndarray:
    drawn = image.copy()
    cv2.circle(drawn, (x, y), radius, (30, 220, 30), -1)
    return drawn


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_encoding_light_and_a_shaken_camera_are_one_moment(seed: int) -> None:
    image = scene(seed, 640, 480)
    first = small(noisy(image, 1))
    dim = np.clip(image * 0.8 + 10, 0, 255).astype(np.uint8)
    for other in (noisy(image, 2), jpeg(noisy(image, 3), 50), dim, noisy(shaken(image, 6, -3), 4)):
        assert is_same_moment(first, small(other))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_background_with_something_else_is_another_moment(seed: int) -> None:
    image = scene(seed, 640, 480)
    empty, left, right = small(image), small(with_object(image, 200, 240)), small(with_object(image, 420, 240))
    assert not is_same_moment(empty, left)
    assert not is_same_moment(left, right)
    assert not is_same_moment(empty, small(scene(seed + 100, 640, 480)))


def test_a_blank_view_is_one_moment() -> None:
    black, grey = (np.full((64, 64), level, np.uint8) for level in (0, 128))
    assert is_same_moment(black, black)
    assert Moments().group("door", grey, "1") == "1"
    moments = Moments()
    assert [moments.group("door", grey, str(i)) for i in range(3)] == ["0", "0", "0"]


def test_a_group_has_the_name_of_its_first_frame_and_views_are_apart() -> None:
    moments = Moments()
    one, two = scene(1), scene(2)
    shown = [(one, "a"), (two, "b"), (noisy(one, 1), "c"), (noisy(two, 2), "d"), (noisy(one, 3), "e")]
    assert [moments.group("door", small(image), name) for image, name in shown] == ["a", "b", "a", "b", "a"]
    assert moments.group("gate", small(one), "f") == "f"


def test_of_many_moments_the_newest_are_remembered() -> None:
    moments = Moments()
    for seed in range(205):
        assert moments.group("door", small(scene(seed, 96, 80)), str(seed)) == str(seed)
    assert moments.group("door", small(scene(204, 96, 80)), "again") == "204"
    assert moments.group("door", small(scene(0, 96, 80)), "again") == "again"


def test_grouping_costs_a_few_milliseconds_of_processor_time() -> None:
    moments = Moments()
    images = [small(scene(seed, 96, 80)) for seed in range(150)]
    begun_s = time.process_time()
    for i, image in enumerate(images):
        moments.group("door", image, str(i))
    assert (time.process_time() - begun_s) / len(images) < 0.02  # 1 ms alone, 9 where it has to be aligned
