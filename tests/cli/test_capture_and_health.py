"""`edgecnn capture` and `edgecnn health`, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
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
    images = sorted((tmp_path / "data" / "circle").iterdir())
    assert [p.stem[-6:] for p in images] == ["000000", "000020", "000030"]
    assert all(cv2.imread(str(p)).shape == (120, 160, 3) for p in images)


def test_a_camera_s_frames_become_a_class(edgecnn, tmp_path: Path) -> None:
    done = edgecnn("capture", "fake:64x64@50", "--label", "shape", "--out", tmp_path, "--every", 0.02, "--count", 5)
    assert done.returncode == 0, done.stderr
    assert "5 frames saved" in done.stdout
    assert len(list((tmp_path / "shape").iterdir())) == 5


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
