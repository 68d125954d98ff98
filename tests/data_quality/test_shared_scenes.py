"""Clips of one scene are told from others by what stays, though something moves before it and the camera shakes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes import scene

from edgecnn.data_quality.clips.clip_stats import views_of
from edgecnn.data_quality.clips.shared_scenes import find_shared_scenes

CLIPS = 12


def views(seed: int, take: int, size: float, shake: float) -> np.ndarray:
    """A square of its own colour crosses the scene, in another light at each take."""
    random = np.random.default_rng((seed, take))
    image, side = scene(seed), int(size * 200)
    begin, end = random.integers(0, (240 - side, 200 - side)), random.integers(0, (240 - side, 200 - side))
    color, light, rows = random.integers(0, 256, 3), random.uniform(0.8, 1.2), []
    for k in range(12):
        move = np.float32([[1, 0, random.uniform(-shake, shake) * 240], [0, 1, random.uniform(-shake, shake) * 200]])
        frame = cv2.warpAffine(image, move, (240, 200), borderMode=cv2.BORDER_REFLECT_101)
        x, y = (begin + (end - begin) * k / 11).astype(int)
        frame[y : y + side, x : x + side] = color
        rows.append(np.clip(frame * light, 0, 255).astype(np.uint8))
    return views_of(rows)


@pytest.mark.parametrize(("size", "shake"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.02), (0.4, 0.01)])
def test_another_take_of_a_scene_is_found_and_another_scene_is_not(size: float, shake: float) -> None:
    train = [views(seed, 0, size, shake) for seed in range(CLIPS)]
    held_out = [views(seed, 1, size, shake) for seed in (*range(CLIPS // 2), *range(100, 100 + CLIPS // 2))]
    found = find_shared_scenes(np.stack([*train, *held_out]), np.arange(2 * CLIPS) >= CLIPS)
    assert found == {CLIPS + seed: seed for seed in range(CLIPS // 2)}


def test_clips_that_show_the_same_object_before_plain_walls_share_no_scene() -> None:
    def before_a_wall(grey: int) -> np.ndarray:
        frame = np.full((200, 240, 3), grey, np.uint8)
        cv2.putText(frame, "OK", (70, 120), cv2.FONT_HERSHEY_SIMPLEX, 3, (0, 0, 255), 8)
        return views_of([frame] * 3)

    assert not find_shared_scenes(np.stack([before_a_wall(60), before_a_wall(180)]), np.array([False, True]))


def test_one_side_alone_shares_nothing() -> None:
    clips = np.stack([views(0, 0, 0.3, 0.0)] * 2)
    assert not find_shared_scenes(clips, np.array([True, True]))
    assert not find_shared_scenes(clips, np.array([False, False]))
