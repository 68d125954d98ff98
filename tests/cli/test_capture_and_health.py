"""`edgecnn capture` and `edgecnn health`, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scenes import scene
from shapes import shape_image

from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.streaming.annotate import VideoWriter


def write_clip(path: Path, count: int, black_at: int = -1) -> Path:
    writer = VideoWriter(path, 10.0)
    random = np.random.default_rng(0)
    ground = cv2.resize(
        random.integers(0, 256, (60, 80, 3)).astype(np.uint8), (160, 120), interpolation=cv2.INTER_NEAREST
    )
    for i in range(count):
        image = np.roll(ground, 3 * i, axis=1).copy()
        image[:48, :48] = shape_image("circle", i)
        writer.add(np.zeros_like(image) if i == black_at else image)
    writer.close()
    return path


def test_frames_are_saved_at_their_distance_and_unfit_ones_passed_over(edgecnn, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 40, black_at=10)
    done = edgecnn("capture", clip, "--label", "circle", "--out", tmp_path / "data", "--every", 1, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["saved"] == 3
    assert found["skipped"] == 1
    assert found["reasons"] == ["black"]
    (session,) = (tmp_path / "data" / "circle").iterdir()
    assert session.name.startswith("session-")
    images = sorted(session.iterdir())
    assert [p.stem[-6:] for p in images] == ["000000", "000020", "000030"]
    assert all(cv2.imread(str(p)).shape == (120, 160, 3) for p in images)


def test_a_camera_s_frames_become_a_class(edgecnn, tmp_path: Path) -> None:
    done = edgecnn("capture", "fake:64x64@50", "--label", "shape", "--out", tmp_path, "--every", 0.02, "--count", 5)
    assert done.returncode == 0, done.stderr
    assert "5 frames saved" in done.stdout
    assert len(list((tmp_path / "shape").rglob("*.jpg"))) == 5


def test_labels_and_sources_that_cannot_be_used_are_one_line(edgecnn, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), shape_image("circle", 0))
    for arguments, why in (
        (("fake:", "--label", "../x"), "used as a folder name"),
        (("fake:", "--label", "a", "--count", 0), "--count 0"),
        ((tmp_path / "a.png", "--label", "a"), "give a camera, a stream or a video"),
        (("/dev/video97", "--label", "a"), "/dev/video97"),
    ):
        done = edgecnn("capture", *arguments, "--out", tmp_path / "data")
        assert done.returncode == 2
        assert why in done.stderr
        assert "Traceback" not in done.stderr


def test_limits_learnt_from_a_clip_are_used_by_predict(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 50)
    done = edgecnn("health", clip, "--seconds", 4, "--out", tmp_path / "health.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 40
    assert (
        FrameQualityThresholds.load(tmp_path / "health.json").least_sharpness > FrameQualityThresholds().least_sharpness
    )
    done = edgecnn("predict", tiny_model, clip, "--health", tmp_path / "health.json", "--json", "--threads", 1)
    assert {json.loads(line)["status"] for line in done.stdout.splitlines()} <= {"ok", "unknown"}
    done = edgecnn("health", write_clip(tmp_path / "short.mkv", 5), "--out", tmp_path / "short.json")
    assert done.returncode == 2
    assert "too few" in done.stderr
    assert not (tmp_path / "short.json").exists()


def test_each_capture_has_a_session_folder_of_its_own(edgecnn, tmp_path: Path) -> None:
    for _ in range(2):
        edgecnn("capture", "fake:64x64@50", "--label", "shape", "--out", tmp_path, "--every", 0.02, "--count", 2)
    sessions = sorted((tmp_path / "shape").iterdir())
    assert [len(list(session.iterdir())) for session in sessions] == [2, 2]


def write_scene_clip(path: Path, dx: int = 0, count: int = 80, dark: bool = False) -> Path:
    """A scene of 320 x 240 with noise; from the middle on it lies `dx` pixels further right."""
    writer = VideoWriter(path, 10.0)
    random, world = np.random.default_rng(0), scene(5, 640, 240)
    for i in range(count):
        left = 160 - (dx if i >= count // 2 else 0)
        image = world[:, left : left + 320] // (4 if dark else 1)
        writer.add(cv2.add(image, random.integers(0, 9, image.shape).astype(np.uint8)))
    writer.close()
    return path


def test_a_camera_that_was_moved_gets_no_decision_by_the_view_that_was_learnt(
    edgecnn, tiny_model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "health.json"
    done = edgecnn("health", write_scene_clip(tmp_path / "own.mkv"), "--seconds", 4, "--out", file)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was not learned") == 0
    moved = write_scene_clip(tmp_path / "moved.mkv", dx=48)
    done = edgecnn("predict", tiny_model, moved, "--health", file, "--json", "--threads", 1, "--roi", "0,0,0.5,1")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["status"] for row in told[:40]} <= {"ok", "unknown"}
    assert told[-1]["status"] == "no_decision"
    assert told[-1]["reason"].startswith("view changed: moved by 48 pixels right, 0 ")
    done = edgecnn("health", tmp_path / "own.mkv", "--seconds", 4, "--no-view", "--out", file)
    assert done.returncode == 0, done.stderr
    assert FrameQualityThresholds.load(file).references == ()


def test_a_view_by_night_is_added_to_the_file(edgecnn, tmp_path: Path) -> None:
    file = tmp_path / "health.json"
    done = edgecnn("health", write_scene_clip(tmp_path / "day.mkv"), "--seconds", 4, "--out", file, "--add")
    assert done.returncode == 2  # there is nothing to add to
    assert "health.json: no such file" in done.stderr
    assert edgecnn("health", tmp_path / "day.mkv", "--seconds", 4, "--out", file).returncode == 0
    night = write_scene_clip(tmp_path / "night.mkv", dark=True)
    done = edgecnn("health", night, "--seconds", 4, "--out", file, "--add", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["thresholds"]["references"]) == 2
    assert len(FrameQualityThresholds.load(file).references) == 2


def test_a_view_that_moves_is_not_learnt_and_that_is_said(edgecnn, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 50)
    done = edgecnn("health", clip, "--seconds", 4, "--out", tmp_path / "health.json")
    assert done.returncode == 0
    assert "the view was not learned: the camera moved, or it shows too little" in done.stderr
    assert FrameQualityThresholds.load(tmp_path / "health.json").references == ()
