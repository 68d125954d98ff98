"""`--roi` of predict, capture, health and tune, as processes of their own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn.runtime.streaming.annotate import VideoWriter


def image(black_right: bool = False) -> np.ndarray:
    right = np.zeros((64, 64, 3), np.uint8) if black_right else shape_image("square", 4, 64)
    return np.hstack([shape_image("circle", 3, 64), right])


def write_clip(path: Path, count: int = 40) -> Path:
    writer = VideoWriter(path, 10.0)
    random = np.random.default_rng(0)
    for _ in range(count):
        noise = random.integers(0, 9, (64, 128, 3)).astype(np.uint8)
        writer.add(cv2.add(image(black_right=True), noise))
    writer.close()
    return path


@pytest.mark.parametrize(("roi", "label"), [("0,0,0.5,1", "circle"), ("64,0,64,64", "square")])
def test_predict_answers_the_region_and_names_it(
    roi: str, label: str, edgecnn, tiny_model: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), image())
    common = ("predict", tiny_model, tmp_path / "a.png", "--threshold", 0, "--threads", 1, "--roi", roi)
    done = edgecnn(*common, "--json")
    found = json.loads(done.stdout)
    assert (found["label"], found["region"]) == (label, roi)
    done = edgecnn(*common, "--format", "csv", "--save", tmp_path / "out")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["label"], row["region"]) == (label, roi)
    (saved,) = (tmp_path / "out").glob("*.jpg")
    drawn = cv2.imread(str(saved))
    assert drawn.shape[1] == 128
    assert drawn.shape[0] > 64


def test_predict_on_cameras_names_the_region_too(edgecnn, tiny_model: Path) -> None:
    options = ("--max-frames", 2, "--json", "--threads", 1, "--health", "off")
    done = edgecnn("predict", tiny_model, "fake:64x64@50", "fake:80x64@50", "--roi", "0.5,0,0.5,1", *options)
    assert {json.loads(line)["region"] for line in done.stdout.splitlines()} == {"0.5,0,0.5,1"}
    done = edgecnn("predict", tiny_model, "fake:64x64@50", "--roi", "60,0,64,64", *options)
    assert done.returncode == 2
    for line in done.stdout.splitlines():
        found = json.loads(line)
        assert found["status"] == "no_decision"
        assert "the region 60,0,64,64 does not lie within the frame of 64 x 64 pixels" in found["reason"]


@pytest.mark.parametrize("roi", ["0,0,1", "-0.1,0,0.5,0.5", "nan,0,1,1", "0,0,0,1"])
@pytest.mark.parametrize("command", ["predict", "capture", "health", "tune"])
def test_a_region_that_cannot_be_is_one_line(command: str, roi: str, edgecnn) -> None:
    rest = {
        "predict": ("m.onnx", "a.jpg"),
        "capture": ("fake:", "--label", "a"),
        "health": ("fake:",),
        "tune": ("m.onnx", "clips", "--budget", 1),
    }
    done = edgecnn(command, *rest[command], "--roi", roi)
    assert done.returncode == 2
    assert done.stderr.startswith("edgecnn: error: region ")
    assert len(done.stderr.splitlines()) == 1


def test_capture_saves_the_region_alone(edgecnn, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv")
    common = ("capture", clip, "--every", 1, "--out", tmp_path / "data")
    done = edgecnn(*common, "--label", "left", "--roi", "0,0,48,64", "--json")
    assert json.loads(done.stdout)["saved"] == 4
    assert {cv2.imread(str(p)).shape for p in (tmp_path / "data" / "left").rglob("*.jpg")} == {(64, 48, 3)}
    done = edgecnn(*common, "--label", "right", "--roi", "0.5,0,0.5,1", "--json")
    assert (done.returncode, json.loads(done.stdout)["reasons"]) == (2, ["black"])  # that part of the frames is
    done = edgecnn(*common, "--label", "off", "--roi", "100,0,64,64")
    assert done.returncode == 2
    assert "the region 100,0,64,64 does not lie within the frame of 128 x 64 pixels" in done.stderr


def test_health_learns_from_the_region_alone(edgecnn, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv")
    done = edgecnn("health", clip, "--roi", "0,0,0.5,1", "--out", tmp_path / "left.json", "--json")
    assert json.loads(done.stdout)["unfit"] == 0, done.stderr
    done = edgecnn("health", clip, "--roi", "0.5,0,0.5,1", "--out", tmp_path / "right.json")
    assert done.returncode == 2
    assert "40 of 40 frames are black" in done.stderr


def test_tune_runs_the_model_on_the_region(edgecnn, tiny_int8_model: Path, tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / "clips" / "square" / str(number)
        folder.mkdir(parents=True)
        for index in range(20):
            cv2.imwrite(str(folder / f"{index:03d}.png"), image())
    common = ("tune", tiny_int8_model, tmp_path / "clips", "--fps", 10, "--budget", 1, "--threshold", 0, "--ep", "cpu")
    right = {}
    for roi in ("64,0,64,64", "0,0,64,64"):
        done = edgecnn(*common, "--roi", roi, "--out", tmp_path / "s.json", "--json")
        right[roi] = json.loads(done.stdout)["raw_checked"]["right"]
    assert right == {"64,0,64,64": 1.0, "0,0,64,64": 0.0}
    done = edgecnn(*common, "--roi", "100,0,64,64", "--out", tmp_path / "s.json")
    assert done.returncode == 2
    assert "the region 100,0,64,64" in done.stderr
