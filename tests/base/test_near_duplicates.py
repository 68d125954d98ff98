"""The same picture, encoded or resized again, is found; other pictures are not taken for it."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from edgecnn.training.near_duplicates import group_duplicates, thumbnail


def _scene(seed: int, side: int = 160) -> np.ndarray:
    """A picture with large and small structure: a gradient, shapes, a little noise."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, side)
    light = np.outer(ramp, np.full(side, random.uniform(-80, 80))) + np.outer(np.full(side, random.uniform(-80, 80)), ramp) + 128
    picture = np.clip(light[..., None] + random.normal(0, 4, (side, side, 3)), 0, 255).astype(np.uint8)
    for _ in range(8):
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        x, y = (int(v) for v in random.integers(0, side, 2))
        cv2.circle(picture, (x, y), int(random.integers(8, 40)), color, -1)
    return picture


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _groups(pictures: list[np.ndarray]) -> list[int]:
    digests = [hashlib.sha256(p.tobytes() + str(i).encode()).hexdigest() for i, p in enumerate(pictures)]  # no two files are equal
    return group_duplicates(digests, np.stack([thumbnail(p) for p in pictures]))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: _jpeg(p, 50),
        lambda p: cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        lambda p: _jpeg(cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_LINEAR), 50),
    ],
    ids=["JPEG q50", "60 %", "60 % and JPEG q50"],
)
def test_a_picture_encoded_or_resized_again_joins_its_original(change) -> None:
    originals = [_scene(seed) for seed in range(12)]
    groups = _groups([*originals, *(change(p) for p in originals)])
    assert groups[:12] == groups[12:]
    assert len(set(groups)) == 12


def test_different_pictures_do_not_join() -> None:
    assert len(set(_groups([_scene(seed) for seed in range(100)]))) == 100


def test_the_same_scene_in_other_light_does_not_join() -> None:
    picture = _scene(3)
    brighter = np.clip(picture.astype(int) + 30, 0, 255).astype(np.uint8)
    assert len(set(_groups([picture, brighter]))) == 2


def test_blank_pictures_of_different_grey_do_not_join() -> None:
    assert len(set(_groups([np.full((64, 64, 3), grey, np.uint8) for grey in (0, 40, 42, 128, 255)]))) == 5


def test_byte_identical_files_join_whatever_they_show() -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    thumbnails = np.stack([thumbnail(p) for p in (blank, _scene(1), blank, _scene(1))])
    groups = group_duplicates(["aa", "bb", "aa", "bb"], thumbnails)
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert groups[0] != groups[1]


def test_joining_is_transitive() -> None:
    """A copy of a copy is a copy, whichever came first."""
    picture = _scene(5)
    copies = [_jpeg(picture, 50), _scene(6), picture, cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)]
    groups = _groups(copies)
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_pictures_in_different_blocks_of_the_comparison_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecnn.training.near_duplicates._BLOCK", 4)
    scenes = [_scene(seed) for seed in range(9)]
    groups = _groups([*scenes, _jpeg(scenes[0], 50), _jpeg(scenes[5], 50)])
    assert (groups[9], groups[10]) == (groups[0], groups[5])
    assert len(set(groups)) == 9
