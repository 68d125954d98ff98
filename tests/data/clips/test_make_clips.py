"""Made clips: only their motion tells the class, and no object or background of one split occurs in another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import cv2
import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts" / "clips"
PARTS = ("x", "y", "size", "opening", "light")


@pytest.fixture
def motion(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    import motion

    return motion


@pytest.fixture
def make_clips(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    import make_clips

    return make_clips


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / "make_clips.py", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("frame", [0, 9, 29])
def test_a_frame_at_any_time_shows_the_same_in_every_class(motion: ModuleType, frame: int) -> None:
    times = np.arange(30) / 12
    for number, kind in enumerate(motion.CLASSES.values()):
        drawn = [motion.draw_phases(np.random.default_rng((number, i)), kind, times) for i in range(1000)]
        for part in PARTS:
            counts, _ = np.histogram([getattr(phases, part)[frame] for phases in drawn], 10, (0, 1))
            # 99.99 % of even phases have less: chi-square, nine degrees of freedom
            assert ((counts - 100) ** 2 / 100).sum() < 33.7, (kind, part)


def test_only_the_part_of_the_class_changes_and_in_its_direction(motion: ModuleType) -> None:
    times = np.arange(60) / 30
    for kind in motion.CLASSES.values():
        phases = motion.draw_phases(np.random.default_rng(0), kind, times)
        for part in PARTS:
            step = (np.diff(getattr(phases, part)) + 0.5) % 1 - 0.5  # the shorter way around the cycle
            assert np.allclose(step * 30, step[0] * 30)
            low, high = (kind.slowest, kind.fastest) if part == kind.part else (0, 0)
            assert low - 1e-9 <= step[0] * 30 <= high + 1e-9


def test_splits_share_no_object_and_no_photograph(make_clips: ModuleType) -> None:
    images = [Path(f"{i}.jpg") for i in range(20)]
    splits = [make_clips.make_split(name, 0, images) for name in ("train", "val", "test")]
    assert sorted(path for split in splits for path in split.photographs) == sorted(images)
    surfaces = [thing.surface.tobytes() + thing.mask.tobytes() for split in splits for thing in split.objects]
    assert len(set(surfaces)) == len(surfaces)


@pytest.mark.parametrize(
    ("label", "across", "down", "larger"),
    [("pan-left", 1, 0, 0), ("pan-down", 0, -1, 0), ("zoom-in", 0, 0, 1), ("zoom-out", 0, 0, -1), ("still", 0, 0, 0)],
)
def test_a_camera_moves_as_its_class_says(
    label: str, across: int, down: int, larger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bright disc in the middle of the photograph: a camera that pans left shows it move right."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import camera

    photograph = np.full((240, 240, 3), 30, np.uint8)
    cv2.circle(photograph, (120, 120), 20, (220, 220, 220), -1)
    for seed in range(5):
        frames = camera.film(
            np.random.default_rng(seed), 64, photograph, camera.CAMERA_CLASSES[label], np.arange(40) / 20
        )
        bright = frames[..., 0] > 120
        places = np.array([np.argwhere(image).mean(0)[::-1] for image in bright])  # [T, 2], x and y
        areas = bright.sum((1, 2))
        moved = places[-5:].mean(0) - places[:5].mean(0)
        for found, sign in ((moved[0], across), (moved[1], down)):
            assert found * sign > 4 if sign else abs(found) < 7
        ratio = areas[-5:].mean() / areas[:5].mean()
        assert ratio**larger > 1.2 if larger else 0.85 < ratio < 1.2


def test_a_camera_films_photographs(tmp_path: Path) -> None:
    assert "--backgrounds" in run(tmp_path / "out", "--task", "camera").stderr
    (tmp_path / "photographs").mkdir()
    for seed in range(10):
        image = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "photographs" / f"{seed}.png"), image)
    options = ("--task", "camera", "--backgrounds", tmp_path / "photographs", "--side", 32)
    done = run(tmp_path / "out", *options, "--train", 1, "--val", 1, "--test", 1)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("train/*/*.mp4"))) == 8


def test_videos_are_written_in_three_splits_and_made_again_alike(tmp_path: Path) -> None:
    few = ("--train", 2, "--val", 1, "--test", 1, "--side", 32)
    first, again, other = (run(tmp_path / name, *few, "--seed", seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert (first.returncode, again.returncode, other.returncode) == (0, 0, 0), first.stderr
    files = contents(tmp_path / "a")
    assert len(files) == 10 * (2 + 1 + 1)
    assert files == contents(tmp_path / "b")
    assert files != contents(tmp_path / "c")
    rates = set()
    for path in (tmp_path / "a").rglob("*.mp4"):
        with av.open(str(path)) as video:
            rate = video.streams.video[0].average_rate
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert frames[0].shape == (32, 32, 3)
        assert 1.4 <= len(frames) / rate <= 3.1
        rates.add(rate)
    assert len(rates) > 2


def test_folders_of_frames_over_photographs(tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for level in range(10):
        cv2.imwrite(str(photographs / f"{level}.png"), np.full((40, 50, 3), 20 * level, np.uint8))
    made = run(
        tmp_path / "clips", "--frames", "--fps", 10, "--seconds", 1, 1, "--train", 1, "--val", 1, "--test", 1,
        "--backgrounds", photographs, "--side", 24,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    names = [f"{i:04d}.png" for i in range(10)]
    for clip in (tmp_path / "clips").glob("*/*/0000"):
        assert sorted(path.name for path in clip.iterdir()) == names
    assert len(list((tmp_path / "clips").glob("*/*/0000"))) == 30


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    made = run(tmp_path / "clips", "--backgrounds", tmp_path / "empty")
    assert made.returncode == 1
    assert "holds no photographs" in made.stderr
