"""`predict` with a recurrent model: a line a frame, a line a clip, and what cannot be classified."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from recurrent_models import GAIN, write_clip_file, write_counter
from scenes import scene
from video_files import FPS, write_video


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counter(tmp_path_factory.mktemp("model") / "m.onnx")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 frames in 2 s of one scene that shakes; 20 steps of 0.1 s."""
    return write_video(tmp_path_factory.mktemp("video") / "door.mp4", [moved(1, k) for k in range(50)])


def moved(seed: int, k: int) -> np.ndarray:
    return np.roll(scene(seed), k % 3, axis=1)


def write_frames(folder: Path, count: int, seed: int = 1) -> Path:
    folder.mkdir(parents=True)
    for k in range(count):
        cv2.imwrite(str(folder / f"{k}.png"), moved(seed, k))
    return folder


def steps(line: dict) -> int:
    if (line["reason"] or "").startswith("first step of a clip"):
        return 1
    score = next(s["score"] for s in line["top"] if s["label"] == "opening")
    return round(math.log(score / (1 - score)) / GAIN)


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_for_each_frame_of_a_video(edgecnn, model: Path, video: Path) -> None:
    done = edgecnn("predict", model, video, "--json")
    assert done.returncode == 0, done.stderr
    lines = lines_of(done)
    assert [line["frame"] for line in lines] == list(range(50))
    assert [steps(line) for line in lines] == [1 + int((k / FPS + 0.002) / 0.1) for k in range(50)]
    ran = [line["latency_ms"]["inference"] is not None for line in lines]
    assert sum(ran) == 20
    assert {line["source"] for line in lines} == {str(video)}
    assert [line["status"] for line in lines] == ["no_decision"] * 3 + ["ok"] * 47, "nothing has changed at first"
    assert "50 frames: 47 answered" in done.stderr


def test_a_line_for_each_clip(edgecnn, model: Path, video: Path, tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", 12)
    single = tmp_path / "one.png"
    cv2.imwrite(str(single), scene(1))
    done = edgecnn("predict", model, video, frames, single, "--per-clip", "--fps", 20, "--json")
    assert done.returncode == 0, done.stderr
    lines = lines_of(done)
    assert [(line["source"], steps(line), line["frame"]) for line in lines] == [
        (str(video), 20, 49),
        (str(frames), 6, 11),
        (str(single), 1, 0),
    ]
    assert lines[1]["media_time_s"] == pytest.approx(11 / 20)
    assert lines[0]["latency_ms"]["total"] > lines[0]["latency_ms"]["inference"] > 0
    assert [line["status"] for line in lines] == ["ok", "ok", "no_decision"], "one frame tells nothing"
    assert "3 clips: 2 answered" in done.stderr


def test_a_folder_of_clips_is_all_of_them(edgecnn, model: Path, video: Path, tmp_path: Path) -> None:
    """Videos and folders of frames below it, in order; an empty folder is an error of its own."""
    root = tmp_path / "data"
    write_frames(root / "open" / "1", 3)
    write_frames(root / "open" / "2", 5)
    (root / "open" / "3").mkdir()
    (root / "shut").mkdir()
    (root / "shut" / "door.mp4").write_bytes(video.read_bytes())
    done = edgecnn("predict", model, root, "--per-clip", "--fps", 10, "--json")
    assert done.returncode == 0, done.stderr
    found = [(line["source"].removeprefix(f"{root}/"), line["status"]) for line in lines_of(done)]
    assert found == [("open/1", "ok"), ("open/2", "ok"), ("open/3", "error"), ("shut/door.mp4", "ok")]
    assert lines_of(done)[2]["reason"] == "the clip has no frames; remove it"
    assert steps(lines_of(done)[1]) == 5


def test_what_lies_beside_frames_is_read_too_and_no_folder_twice(
    edgecnn, model: Path, video: Path, tmp_path: Path
) -> None:
    root = write_frames(tmp_path / "data", 3)
    (root / "door.mp4").write_bytes(video.read_bytes())
    write_frames(root / "more", 4)
    (root / "more" / "up").symlink_to(root)
    (root / "same").symlink_to(root / "more")
    done = edgecnn("predict", model, root, "--per-clip", "--fps", 10, "--json")
    assert done.returncode == 0, done.stderr
    assert [line["source"].removeprefix(str(tmp_path)) for line in lines_of(done)] == [
        "/data",
        "/data/door.mp4",
        "/data/more",
    ]


def test_frames_are_in_the_order_of_their_numbers(edgecnn, model: Path, tmp_path: Path) -> None:
    done = edgecnn("predict", model, write_frames(tmp_path / "clip", 12), "--fps", 10, "--format", "csv")
    assert done.returncode == 0, done.stderr
    sources = [row.split(",")[0] for row in done.stdout.splitlines()[1:]]
    assert [Path(source).stem for source in sources] == [str(k) for k in range(12)]


def test_mixed_frame_rates_of_one_scene_agree(edgecnn, model: Path, tmp_path: Path) -> None:
    clips = [(write_frames(tmp_path / str(fps), fps * 2), fps) for fps in (5, 10, 30)]
    found = [
        steps(lines_of(edgecnn("predict", model, clip, "--per-clip", "--fps", fps, "--json"))[0]) for clip, fps in clips
    ]
    assert found == pytest.approx([20, 20, 20], abs=2)


def test_every_and_the_text_format(edgecnn, model: Path, video: Path) -> None:
    done = edgecnn("predict", model, video, "--every", 10)
    shown = done.stdout.splitlines()
    assert shown[0].startswith(f"{video}: no decision: first step of a clip: nothing has changed yet")
    assert shown[1] == f"{video}: Prediction: opening (0.56)"
    assert len(shown) == 5
    line = lines_of(edgecnn("predict", model, video, "--every", 10, "--json"))[-1]
    assert steps(line) == 17, "elapsed time counts: the frame is at 1.6 s"


def test_only_changes_are_printed(edgecnn, model: Path, video: Path) -> None:
    done = edgecnn("predict", model, video, "--on-change")
    first, second = done.stdout.splitlines()
    assert "no decision" in first
    assert "Prediction: opening" in second
    assert "50 frames" in done.stderr


def test_smoothing_and_threshold(edgecnn, model: Path, video: Path, tmp_path: Path) -> None:
    settings = {"schema_version": 1, "method": "average", "window_s": 0.5, "enter": 0.6, "leave": 0.5}
    (tmp_path / "s.json").write_text(json.dumps(settings))
    lines = lines_of(edgecnn("predict", model, video, "--smoothing", tmp_path / "s.json", "--json"))
    first = next(k for k, line in enumerate(lines) if line["status"] == "ok")
    raw = next(k for k, line in enumerate(lines) if line["top"] and line["top"][0]["score"] >= 0.6)
    assert first > raw > 0
    lines = lines_of(edgecnn("predict", model, video, "--threshold", "0.6", "--json"))
    assert {line["status"] for line in lines[3:]} == {"ok", "unknown"}


def test_a_cut_in_a_video_begins_anew(edgecnn, model: Path, tmp_path: Path) -> None:
    images = [moved(3, k) for k in range(25)] + [moved(4, k) for k in range(25)]
    lines = lines_of(edgecnn("predict", model, write_video(tmp_path / "cut.mp4", images), "--json"))
    assert [steps(lines[k]) for k in (24, 25, 49)] == [10, 1, 10]


def test_frames_that_cannot_be_read(edgecnn, model: Path, tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "clip", 6)
    (clip / "3.png").write_bytes((clip / "3.png").read_bytes()[:500])
    lines = lines_of(edgecnn("predict", model, clip, "--fps", 10, "--json"))
    assert [line["status"] for line in lines] == ["no_decision", "ok", "ok", "error", "ok", "ok"]
    assert [steps(line) for line in lines if line["status"] != "error"] == [1, 2, 3, 5, 6]
    done = edgecnn("predict", model, clip, "--fps", 10, "--per-clip")
    assert done.returncode == 2
    assert done.stdout.startswith(f"{clip}: error: its frame {clip / '3.png'} cannot be read: ")
    assert len(done.stdout.splitlines()) == 1


def test_a_video_that_breaks_off_or_is_none(edgecnn, model: Path, video: Path, tmp_path: Path) -> None:
    mkv = write_video(tmp_path / "whole.mkv", [moved(1, k) for k in range(50)])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(mkv.read_bytes()[: mkv.stat().st_size // 2])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    done = edgecnn("predict", model, cut, broken, empty, video, "--per-clip")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert "error: is truncated after" in lines[0]
    assert all("error: " in line and "convert it" in line for line in lines[1:3])
    assert "Prediction: opening" in lines[3]


def test_a_clip_of_ten_thousand_frames(edgecnn, model: Path, tmp_path: Path) -> None:
    """1,000 s at ten a second; the frames are links to three images."""
    clip = tmp_path / "long"
    clip.mkdir()
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), cv2.resize(moved(1, k), (32, 32)))
    for k in range(10_000):
        (clip / f"{k}.png").symlink_to(tmp_path / f"{k % 3}.png")
    (line,) = lines_of(edgecnn("predict", model, clip, "--per-clip", "--fps", 10, "--json"))
    assert (line["frame"], line["status"]) == (9999, "ok")
    assert line["score"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fps", 0), "fps is 0, expected more than 0"),
        (("--fps", 10, "--per-clip", "--max-frames", 3), "would cut a clip short"),
        (("--fps", 10, "--per-clip", "--save", "out"), "draw the answer on each frame"),
    ],
)
def test_wrong_options_are_one_line(options: tuple, said: str, edgecnn, model: Path, tmp_path: Path) -> None:
    done = edgecnn("predict", model, write_frames(tmp_path / "clip", 2), *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("edgecnn: error")]
    assert said in line


def test_frames_without_a_rate_are_read_at_that_of_training(edgecnn, model: Path, video: Path, tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "clip", 12)
    done = edgecnn("predict", model, clip, "--per-clip", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = lines_of(done)
    assert (steps(line), line["media_time_s"]) == (12, pytest.approx(1.1)), "a step of 0.1 s each frame"
    assert done.stderr.count("read at 10 frames per second, the usual rate of the training clips") == 1
    for source, options in ((clip, ("--fps", 10)), (video, ())):
        assert "frames per second" not in edgecnn("predict", model, source, "--per-clip", *options).stderr


def test_a_camera_has_no_clips(edgecnn, model: Path) -> None:
    done = edgecnn("predict", model, "fake:", "--per-clip")
    assert done.returncode == 2
    assert "fake: a camera or stream has no end" in done.stderr


@pytest.mark.parametrize("option", [("--per-clip",), ("--fps", 10)])
def test_a_model_of_single_images_has_no_clips(option: tuple, edgecnn, tiny_model: Path, shapes: Path) -> None:
    done = edgecnn("predict", tiny_model, shapes, *option)
    assert done.returncode == 2
    assert f"{option[0]} is for recurrent models, and this model classifies single images" in done.stderr


def test_an_empty_folder_is_told(edgecnn, model: Path, tmp_path: Path) -> None:
    done = edgecnn("predict", model, tmp_path, "--fps", 10)
    assert done.returncode == 2
    assert "contains no images and no videos" in done.stderr


def test_a_clip_file_is_refused(edgecnn, video: Path, tmp_path: Path) -> None:
    done = edgecnn("predict", write_clip_file(tmp_path / "m.clip.onnx"), video)
    assert done.returncode == 2
    assert "takes whole clips" in done.stderr


def test_each_frame_of_two_folders_is_saved(edgecnn, model: Path, tmp_path: Path) -> None:
    """Their frames have the same names and numbers."""
    for name in "ab":
        write_frames(tmp_path / "data" / name / "1", 2)
    done = edgecnn("predict", model, tmp_path / "data", "--fps", 10, "--save", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg"))
    assert written == ["1/000000_0.jpg", "1/000001_1.jpg", "1_2/000000_0.jpg", "1_2/000001_1.jpg"]


def test_the_help_shows_the_options(edgecnn) -> None:
    shown = edgecnn("predict", "--help").stdout
    assert "--per-clip" in shown
    assert "--fps" in shown
