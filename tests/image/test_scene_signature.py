"""Frames of one scene are known by their signatures, whatever noise and encoding do; other scenes are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgecnn.image.scene_signature import SIGNATURE_LENGTH, same_scene, scene_signature


def scene(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    """Blobs of many sizes, as in a photograph."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def found(known: np.ndarray, image: np.ndarray) -> int | None:
    return same_scene(known, known.mean(1, dtype=np.float32), scene_signature(image))


def noisy(image: np.ndarray) -> np.ndarray:
    return np.clip(image + np.random.default_rng(1).normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def encoded(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1), np.uint8)


@pytest.mark.parametrize("change", [noisy, encoded, lambda image: cv2.convertScaleAbs(image, alpha=0.98)])
def test_noise_encoding_and_flicker_leave_a_scene_the_same(change: object) -> None:
    known = np.stack([scene_signature(scene(seed)) for seed in range(20)])
    for seed in range(20):
        assert found(known, change(scene(seed))) == seed  # type: ignore[operator]


def test_other_scenes_are_told_apart() -> None:
    known = np.stack([scene_signature(scene(seed)) for seed in range(20)])
    assert all(found(known, scene(seed)) is None for seed in range(20, 200))


def test_an_object_on_the_same_background_is_another_scene() -> None:
    with_object = scene(0)
    cv2.circle(with_object, (160, 120), 18, (255, 255, 255), -1)
    assert found(scene_signature(scene(0))[None], with_object) is None


def test_a_scene_that_is_dimmed_is_another_one() -> None:
    """Else the frames of a lamp that fails would count as more of the same."""
    dimmed = (scene(0) * 0.6).astype(np.uint8)
    assert found(scene_signature(scene(0))[None], dimmed) is None


def test_scenes_in_the_dark_are_told_apart() -> None:
    dark = [(scene(seed) * 0.1).astype(np.uint8) for seed in range(40)]
    known = np.stack([scene_signature(image) for image in dark])
    assert [found(np.delete(known, i, 0), image) for i, image in enumerate(dark)] == [None] * 40
    assert found(known, dark[7]) == 7


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (2160, 3840)])
def test_frames_of_any_size_have_a_signature(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    assert scene_signature(image).tolist() == [90] * SIGNATURE_LENGTH


def test_nothing_is_the_same_as_no_scene() -> None:
    assert found(np.empty((0, SIGNATURE_LENGTH), np.uint8), scene(0)) is None
