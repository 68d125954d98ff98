"""Evaluation of recurrent models on labelled clips: by the answer at the end of each."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from recurrent_models import SIDE, onnx, write_clip_file, write_counter, write_recurrent
from video_files import write_video

from edgecnn.data.clips.clip_frames import clip_digest
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import DataError, ModelError, UsageError
from edgecnn.evaluation.evaluate_clips import clip_reader, read_clips, validate_clips
from edgecnn.runtime.session.opening import open_session


def write_frames(folder: Path, count: int, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    for k, colour in enumerate(np.random.default_rng(seed).integers(0, 256, (count, 3))):
        cv2.imwrite(str(folder / f"{k}.png"), np.full((SIDE, SIDE, 3), colour, np.uint8))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two clips a class; all are ``opening`` to the counter."""
    for label in ("closing", "opening"):
        for k in range(2):
            write_frames(tmp_path / "data" / label / str(k), 3 + k, k)
    return tmp_path / "data"


def test_a_model_is_judged_by_the_end_of_each_clip(data: Path, tmp_path: Path) -> None:
    session = open_session(write_counter(tmp_path / "m.onnx"), "cpu")
    found = validate_clips(session, None, data, fps=10)
    assert (found.images, found.top1, found.labels) == (4, 0.5, ("closing", "opening"))
    assert found.confusion == ((0, 2), (0, 2))
    assert found.note == "all 4 clips"


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_answer_is_that_of_the_clip_file(kind: str, data: Path, tmp_path: Path) -> None:
    step = open_session(write_recurrent(tmp_path / "m.onnx", kind), "cpu")
    whole = open_session(write_clip_file(tmp_path / "m.clip.onnx", kind), "cpu")
    clips = sorted(data.glob("*/*"))
    found = read_clips(step, clips, 10)
    reader = clip_reader(step.manifest, 10)
    for clip, row in zip(clips, found.probabilities, strict=True):
        frames = np.stack([s.row for s in reader.steps(clip) for _ in range(s.count)])[None]
        assert np.allclose(whole.classify_clips(frames, np.array([frames.shape[1]])), row, atol=1e-5)


def test_clips_that_the_model_was_trained_on_are_left_out(data: Path, tmp_path: Path) -> None:
    session = open_session(write_counter(tmp_path / "m.onnx"), "cpu")
    digests = {k: clip_digest(data / "closing" / str(k)) for k in range(2)}
    record = SplitRecord.of({"train": [digests[0]], "val": [digests[1]]})
    found = validate_clips(session, record, data, fps=10)
    assert found.held_out
    assert found.images == 2, "the clips of one class are those of the other, and half were trained on"
    assert "2 training clips are left out" in found.note
    assert validate_clips(session, record, data, "all", fps=10).images == 4


def test_a_clip_that_cannot_be_read_is_skipped_with_its_reason(data: Path, tmp_path: Path) -> None:
    (data / "closing" / "0" / "1.png").write_bytes(b"no image")
    (data / "opening" / "broken.mp4").write_bytes(b"no video")
    write_video(data / "opening" / "fine.mp4", [np.full((32, 32, 3), 99, np.uint8)] * 5)
    found = validate_clips(open_session(write_counter(tmp_path / "m.onnx"), "cpu"), None, data, fps=10)
    assert found.images == 4
    assert [Path(s.path).name for s in found.skipped] == ["0", "broken.mp4"]
    assert "its frame 1.png cannot be read: not an image" in found.skipped[0].reason
    assert "convert it" in found.skipped[1].reason


def test_what_cannot_be_evaluated_is_one_line(data: Path, tmp_path: Path) -> None:
    session = open_session(write_counter(tmp_path / "m.onnx"), "cpu")
    with pytest.raises(ModelError, match="takes whole clips"):
        validate_clips(open_session(write_clip_file(tmp_path / "m.clip.onnx"), "cpu"), None, data, fps=10)
    for fps in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"--fps .*: expected frames per second"):
            validate_clips(session, None, data, fps=fps)
    write_frames(data / "standing" / "0", 2)
    with pytest.raises(DataError, match="the model has no class 'standing'"):
        validate_clips(session, None, data, fps=10)


def test_val_takes_clips(edgecnn, data: Path, tmp_path: Path) -> None:
    model = write_counter(tmp_path / "m.onnx")
    done = edgecnn("val", model, "--data", data, "--fps", 10, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 4
    assert "4 clips used, none left out" in done.stderr
    without = edgecnn("val", model, "--data", data, "--json")
    assert json.loads(without.stdout)["confusion"] == json.loads(done.stdout)["confusion"]
    assert "read at 10 frames per second, the usual rate of the training clips" in without.stderr
    assert "frames per second" not in done.stderr
    done = edgecnn("val", model, "--data", data, "--fps", 10)
    assert "clips" in done.stdout
    assert "images" not in done.stdout


def test_val_of_single_images_takes_no_frame_rate(edgecnn, tiny_model: Path, shapes: Path) -> None:
    done = edgecnn("val", tiny_model, "--data", shapes, "--fps", 10)
    assert done.returncode == 2
    assert "--fps is for recurrent models" in done.stderr


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_other_commands_take_a_recurrent_model(kind: str, edgecnn, tmp_path: Path) -> None:
    model, clip = write_recurrent(tmp_path / "m.onnx", kind), write_clip_file(tmp_path / "m.clip.onnx", kind)
    found = json.loads(edgecnn("inspect", model, "--json").stdout)
    assert found["manifest"]["temporal"]["kind"] == kind
    assert found["operators"][kind.upper()] == 1
    weights = {t.name: int(np.prod(t.dims)) for t in onnx.load(model).graph.initializer}
    assert found["parameters"] == sum(weights[name] for name in ("W", "R", "B", "classes"))
    assert found["macs"] == sum(weights[name] for name in ("W", "R", "classes"))
    shown = edgecnn("inspect", model).stdout
    assert f"kind {kind}" in shown
    assert "frame_interval_s 0.1" in shown
    assert json.loads(edgecnn("inspect", clip, "--json").stdout)["ep"] == "cpu"
    done = edgecnn("doctor", model, "--ep", "cpu")
    assert done.returncode == 0, done.stderr
    assert "5 golden samples, in sequences that prove the state, on cpu" in done.stdout
    assert f"{kind} at 10 steps/s" in done.stdout
    assert "edgecnn predict" in done.stdout
    done = edgecnn("doctor", clip, "--ep", "cpu")
    assert done.returncode == 0, done.stderr
    assert "5 golden samples" in done.stdout
    assert "edgecnn predict" not in done.stdout
    done = edgecnn("benchmark", model, "--seconds", "0.1", "--json", "--ep", "cpu")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["latency_ms"]["p50"] > 0
    done = edgecnn("benchmark", clip, "--seconds", "0.1", "--ep", "cpu")
    assert done.returncode == 2
    assert "takes whole clips" in done.stderr


def test_tune_runs_the_model_in_order(edgecnn, tmp_path: Path) -> None:
    """Each of the counter's answers is more sure than the one before, so only later ones pass a threshold."""
    model = write_counter(tmp_path / "m.onnx")
    for k in range(2):
        write_frames(tmp_path / "clips" / "opening" / str(k), 30, k)
        write_frames(tmp_path / "clips" / "closing" / str(k), 30, k + 5)
    options = ("--fps", 10, "--budget", 1e6, "--health", "off", "--threshold", 0.6, "--json")
    done = edgecnn("tune", model, tmp_path / "clips", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["clips"], found["frames"], found["undecided"]) == (4, 120, 4)  # the first step of a clip
    without = edgecnn("tune", model, tmp_path / "clips", *options[2:], cwd=tmp_path)
    assert json.loads(without.stdout)["raw_checked"] == found["raw_checked"]
    assert "read at 10 frames per second" in without.stderr
    # logit 0.05 a step: 0.6 from step 9 on, so `opening` is right in 22 of 30 frames and `closing` in none
    assert found["raw_checked"]["right"] == pytest.approx(22 / 30 / 2, abs=0.03)
