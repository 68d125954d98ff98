"""The same image, changed as copies are, is found; other images are not taken for it."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from scenes import cropped, jpeg, scene
from shapes import shape_image

from edgecnn.data_quality.near_duplicates import find_copies, find_near_duplicates, group_duplicates, thumbnail


def thumbnails(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([thumbnail(cv2.cvtColor(p, cv2.COLOR_BGR2RGB)) for p in images])


def groups(images: list[np.ndarray]) -> list[int]:
    digests = [
        hashlib.sha256(p.tobytes() + str(i).encode()).hexdigest() for i, p in enumerate(images)
    ]  # no two files are equal
    return group_duplicates(digests, thumbnails(images))


CHANGES = {
    "JPEG q95": ("", lambda p: jpeg(p, 95)),
    "JPEG q40": ("", lambda p: jpeg(p, 40)),
    "0.3x": ("", lambda p: cv2.resize(p, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)),
    "0.6x, JPEG q50": ("", lambda p: jpeg(cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_LINEAR), 50)),
    "2x": ("", lambda p: cv2.resize(p, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)),
    "squeezed": ("", lambda p: cv2.resize(p, (150, 220), interpolation=cv2.INTER_AREA)),
    "brighter": ("", lambda p: np.clip(p.astype(int) + 25, 0, 255).astype(np.uint8)),
    "darker": ("", lambda p: (p * 0.7).astype(np.uint8)),
    "grey": ("", lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)),
    "mirrored": ("mirrored", lambda p: jpeg(p[:, ::-1], 85)),
    "flipped vertically": ("flipped vertically", lambda p: jpeg(p[::-1], 85)),
    "turned": ("rotated by 90°", lambda p: jpeg(np.rot90(p).copy(), 85)),
    "turned the other way": ("rotated by 90°", lambda p: jpeg(np.rot90(p, -1).copy(), 85)),
    "turned over": ("rotated by 180°", lambda p: jpeg(p[::-1, ::-1].copy(), 85)),
    "5 % off each side": ("cropped", lambda p: jpeg(cropped(p, 0.05, 0.05, 0.05, 0.05), 85)),
    "10 % off each side": ("cropped", lambda p: jpeg(cropped(p, 0.1, 0.1, 0.1, 0.1), 85)),
    "15 % off each side": ("cropped", lambda p: jpeg(cropped(p, 0.15, 0.15, 0.15, 0.15), 85)),
    "15 % off two sides": ("cropped", lambda p: jpeg(cropped(p, 0.15, 0, 0, 0.15), 85)),
    "mirrored, 10 % off": ("mirrored and cropped", lambda p: jpeg(cropped(p, 0.1, 0.1, 0.1, 0.1)[:, ::-1], 85)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_copy_is_found_however_it_was_changed_and_the_change_is_named(kind: str) -> None:
    words, change = CHANGES[kind]
    originals = [scene(seed) for seed in range(10)]
    found = find_near_duplicates(thumbnails([*originals, *(change(p) for p in originals)])).pairs
    assert [(p.first, p.second) for p in found] == [(i, i + 10) for i in range(10)]
    assert {p.change for p in found} == {words}
    assert all(0.85 <= p.likeness <= 1.001 for p in found)


def test_different_images_are_no_copies() -> None:
    found = find_near_duplicates(thumbnails([scene(seed) for seed in range(150)]))
    assert found.pairs == ()
    assert not found.look_alike


def test_two_images_alone_are_evaluated_too() -> None:
    assert len(find_near_duplicates(thumbnails([scene(0), jpeg(scene(0), 60)])).pairs) == 1
    assert find_near_duplicates(thumbnails([scene(0), scene(1)])).pairs == ()


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_copies(count: int) -> None:
    assert find_near_duplicates(np.zeros((count, 64, 64), np.uint8)).pairs == ()
    assert find_copies(["aa"] * count, np.zeros((count, 64, 64), np.uint8)).groups == (0,) * count


def test_simple_shapes_that_can_be_laid_over_each_other_are_no_copies() -> None:
    """A circle, cropped, is another circle: that alone proves nothing."""
    images = [shape_image(name, seed) for name in ("circle", "square") for seed in range(30)]
    assert find_near_duplicates(thumbnails(images)).pairs == ()


def test_before_one_camera_only_true_copies_count() -> None:
    """The background is the same everywhere, and most of each image."""
    random = np.random.default_rng(0)

    def shot() -> np.ndarray:
        image = scene(1)
        for _ in range(2):
            x, y = (int(v) for v in random.integers(40, 160, 2))
            cv2.circle(
                image, (x, y), int(random.integers(6, 20)), tuple(int(c) for c in random.integers(0, 256, 3)), -1
            )
        return np.clip(image + random.normal(0, 4, image.shape), 0, 255).astype(np.uint8)

    shots = [shot() for _ in range(80)]
    found = find_near_duplicates(thumbnails([*shots, *(jpeg(p, 60) for p in shots[:5])]))
    assert found.look_alike
    pairs = {(p.first, p.second) for p in found.pairs}
    assert pairs >= {(i, 80 + i) for i in range(5)}
    assert len(pairs) <= 6


def test_many_copies_of_few_images_make_one_group_each() -> None:
    """As augmented data sets are."""
    random = np.random.default_rng(0)
    images = []
    for seed in range(8):
        for _ in range(8):
            image = cropped(scene(seed), *random.uniform(0, 0.1, 4))
            images.append(jpeg(image[:, ::-1] if random.random() < 0.5 else image, int(random.integers(50, 95))))
    found = groups(images)
    assert [len(set(found[i : i + 8])) for i in range(0, 64, 8)] == [1] * 8
    assert len(set(found)) == 8


def test_blank_images_do_not_join() -> None:
    assert len(set(groups([np.full((64, 64, 3), grey, np.uint8) for grey in (0, 40, 42, 128, 255)]))) == 5


def test_byte_identical_files_join_whatever_they_show() -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    found = group_duplicates(["aa", "bb", "aa", "bb"], thumbnails([blank, scene(1), blank, scene(1)]))
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[0] != found[1]


def test_joining_is_transitive() -> None:
    """A copy of a copy is a copy, whichever came first."""
    found = groups(
        [
            jpeg(scene(5), 50),
            scene(6),
            scene(5),
            cv2.resize(scene(5), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        ]
    )
    assert found[0] == found[2] == found[3] != found[1]


def test_images_in_different_blocks_of_the_comparison_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecnn.data_quality.copy_candidates._ROWS", 4)
    monkeypatch.setattr("edgecnn.data_quality.copy_candidates._COLUMNS", 6)
    monkeypatch.setattr("edgecnn.data_quality.copy_candidates._BLOCK", 5)
    scenes = [scene(seed) for seed in range(9)]
    copies = [jpeg(scenes[0], 50), jpeg(cropped(scenes[5], 0.1, 0.1, 0.1, 0.1), 80)]
    found = groups([*copies, *scenes])
    assert (found[2], found[7]) == (found[0], found[1])
    assert len(set(found)) == 9


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    find_near_duplicates(thumbnails([scene(seed) for seed in range(5)]), lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
