"""train --temporal from a folder of clips to a checkpoint, its report and its two model files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_clips import LABELS, write_clips
from run_outputs import identical

from edgecnn.cli.commands.export import print_export
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.errors import CheckpointError, DataError, GateError, UsageError
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.loop import train
from edgecnn.training.models.registry import find_model
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.interruption import Interruption
from edgecnn.training.temporal.clip_backend import ClipBackend, open_any_checkpoint
from edgecnn.training.temporal.explain.explanation import explain_clip
from edgecnn.training.temporal.explain.gates import record_memory
from exporters import export_onnx


def options(data: Path, out: Path, **changes: object) -> TrainOptions:
    given = {
        "data": data,
        "temporal": "gru",
        "model": "resnet8",
        "weights": "none",
        "imgsz": 32,
        "epochs": 2,
        "batch": 4,
        "device": "cpu",
        "workers": 1,
    }
    return TrainOptions(out=out, **{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips") / "data", 6, 4)


@pytest.fixture(scope="module")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(options(clips, tmp_path_factory.mktemp("trained") / "run"))


def test_the_run_folder_and_the_result_speak_of_clips(trained: TrainResult) -> None:
    run = Path(trained.run_dir)
    assert (trained.labels, trained.epochs, trained.examples, trained.answers) == (LABELS, 2, "clips", "clips")
    assert trained.train_images + trained.val_images == 12
    assert trained.val_answers == trained.val_images
    summary = json.loads((run / "summary.json").read_text())
    assert summary["examples"] == "clips"
    assert summary["manifest"]["temporal"]["kind"] == "gru"
    assert (run / "results.csv").is_file()
    page = (run / "report.html").read_text()
    assert "Confidence over time" in page
    assert f"of {trained.val_images} validation clips answered right" in page
    assert "None: every clip could be read" in page
    assert "images" not in page.replace("of images to tell", "")


def test_clips_of_frames_that_are_too_large_are_left_out(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", 3, 4)
    large = data / LABELS[0] / "large"
    large.mkdir()
    for k in range(4):
        cv2.imwrite(str(large / f"{k}.png"), np.zeros((400, 400, 3), np.uint8))
    found = train(options(data, tmp_path / "run", epochs=1, max_megapixels=0.1))
    (skipped,) = found.skipped
    assert skipped.path == str(large)
    assert "limit of 0.1 megapixels" in skipped.reason


def test_a_mistake_is_shown_with_a_frame(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data" / "train", 3, 4).parent
    for label in LABELS:  # one clip under both labels: one of the two answers is wrong
        shutil.copytree(data / "train" / "left" / "0", data / "val" / label / "same")
    found = train(options(data, tmp_path / "run", epochs=1))
    page = (Path(found.run_dir) / "report.html").read_text()
    assert found.val_top1 == 0.5
    assert "One frame of each clip is shown" in page
    assert "cannot be read any more" not in page
    assert 'src="data:image' in page


def test_a_resumed_run_ends_with_the_weights_of_one_that_was_never_stopped(
    trained: TrainResult, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def after_one_step(self: Interruption) -> bool:
        asked.append(self)
        return len(asked) > 1

    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "asked", property(after_one_step))
        patched.setattr(Interruption, "act", lambda _self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            train(options(clips, tmp_path / "run"))
    resumed = train(TrainOptions(data=clips, out=tmp_path / "run", resume=True))
    assert identical(resumed.last_checkpoint, trained.last_checkpoint)
    assert identical(resumed.best_checkpoint, trained.best_checkpoint)


def test_labels_per_frame_are_learned_by_an_lstm_and_counted_as_steps(clips: Path, tmp_path: Path) -> None:
    rows = [
        f"{clip.relative_to(clips)},{start},{end},{label}"
        for clip in sorted(clips.glob("*/*"))
        for start, end, label in (("", 0.2, "early"), (0.2, "", "late"))
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["clip,start_s,end_s,label", *rows]) + "\n")
    found = train(options(clips, tmp_path / "run", temporal="lstm", per_frame=table, epochs=1))
    assert (found.labels, found.examples, found.answers) == (("early", "late"), "clips", "steps")
    assert found.val_answers >= 4 * found.val_images
    assert f"of {found.val_answers} validation steps" in (Path(found.run_dir) / "report.html").read_text()
    table.write_text(table.read_text().replace(",0.2", ",0.3"))
    with pytest.raises(CheckpointError, match=r"with the labels of .*labels\.csv: not the data that .* was begun with"):
        train(TrainOptions(data=clips, out=tmp_path / "run", resume=True, epochs=2))


@pytest.mark.parametrize(("backbone", "preset", "frozen"), [("frozen", "scratch", True), ("tuned", None, False)])
def test_the_option_decides_whether_the_backbone_learns(
    backbone: str, preset: str | None, frozen: bool, clips: Path, tmp_path: Path
) -> None:
    found = train(options(clips, tmp_path / "run", backbone=backbone, preset=preset, epochs=1))
    torch.manual_seed(0)
    begun = find_model("resnet8").build(2, 32).state_dict()
    trained = open_any_checkpoint(Path(found.best_checkpoint)).network.backbone.state_dict()
    assert all(torch.equal(begun[name], trained[name]) for name in trained) == frozen


def test_a_frozen_backbone_keeps_the_weights_of_the_checkpoint_of_images(
    small_options: Callable[..., TrainOptions], clips: Path, tmp_path: Path
) -> None:
    source = train(small_options(tmp_path / "images", imgsz=32, epochs=1)).best_checkpoint
    found = train(options(clips, tmp_path / "run", weights=source, backbone="frozen"))
    kept = open_any_checkpoint(Path(found.best_checkpoint))
    assert isinstance(kept, ClipBackend)
    before = open_any_checkpoint(Path(source)).network.state_dict()
    after = kept.network.backbone.state_dict()
    assert after
    assert all(np.array_equal(after[name], before[name]) for name in after)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": Path("teacher.pt")}, "--teacher is for images"),
        ({"find_lr": True}, "--find-lr is for images"),
        ({"balance": "oversample"}, "--balance is for images"),
        ({"fps": 0.0}, "--fps 0: expected"),
        ({"fps": float("inf")}, "--fps inf: expected"),
        ({"steps_per_s": -1.0}, "--steps-per-s -1: expected"),
        ({"steps_per_s": 1e-300}, "--steps-per-s 1e-300: expected"),  # no manifest could hold the interval
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_say_nothing_of_clips_are_refused(
    changes: dict[str, object], message: str, clips: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        train(options(clips, tmp_path / "run", **changes))


@pytest.mark.parametrize("option", ["weights", "teacher"])
def test_a_run_on_images_starts_from_no_recurrent_model(
    option: str, trained: TrainResult, shapes: Path, tmp_path: Path
) -> None:
    given = {option: trained.best_checkpoint if option == "weights" else Path(trained.best_checkpoint)}
    with pytest.raises(CheckpointError, match="is a recurrent model of clips, and this run trains on images"):
        train(options(shapes, tmp_path / "run", temporal=None, **given))


def test_a_run_folder_is_not_written_over_without_force(trained: TrainResult, clips: Path) -> None:
    with pytest.raises(UsageError, match="--force"):
        train(options(clips, Path(trained.run_dir)))


def test_an_unreadable_clip_is_named_and_left_out(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data", 3, 4)
    (data / "left" / "broken.mp4").write_bytes(b"no video")
    found = train(options(data, tmp_path / "run", epochs=1))
    assert [Path(s.path).name for s in found.skipped] == ["broken.mp4"]
    assert "broken.mp4" in (Path(found.run_dir) / "report.html").read_text()
    assert [f.what for f in found.findings if f.level == "fault"] == ["1 clip cannot be read"]
    with pytest.raises(
        GateError, match=r"--strict: 1 clip cannot be read: left/broken.mp4.*doctor .* --clips` lists all"
    ):
        train(options(data, tmp_path / "strict", strict=True))
    for clip in (data / "left").glob("[0-9]*"):
        (clip / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="'left' has 0 readable clips"):
        train(options(data, tmp_path / "again"))


def test_the_checkpoint_becomes_two_files_whose_answers_agree(
    trained: TrainResult, clips: Path, tmp_path: Path, edgecnn, capsys: pytest.CaptureFixture[str]
) -> None:
    print_export(export_onnx(Path(trained.best_checkpoint), tmp_path / "m.onnx"), "against torch")
    told = capsys.readouterr().out
    assert re.search(r"against torch\W+\d+ steps: off by ", told)
    assert re.search(r"\bsteps\W+frames of \d+ ", told)
    assert (tmp_path / "m.clip.onnx").is_file()
    clip = clips / "right" / "0"
    backend = open_any_checkpoint(Path(trained.best_checkpoint))
    assert isinstance(backend, ClipBackend)
    spec = backend.manifest.temporal
    assert spec is not None
    reader = ClipReader(backend.manifest.input, backend.manifest.preprocess, spec.frame_interval_s, 10)
    frames = np.stack([step.row for step in reader.steps(clip)])
    expected = backend.clip(frames)
    session = open_session(tmp_path / "m.onnx", "cpu")
    state, answers = session.start(1), []
    for frame in frames:
        found = session.step(frame[None], state)
        state = found.state
        answers.append(found.probabilities[0])
    assert np.abs(np.array(answers) - expected).max() < 1e-4
    golden = session.description.golden()
    assert golden is not None
    assert golden.chained
    assert replay(session, golden).passed
    command = edgecnn("predict", tmp_path / "m.onnx", clip, "--per-clip", "--fps", 10, "--format", "jsonl")
    assert command.returncode == 0, command.stderr
    (line,) = command.stdout.splitlines()
    assert json.loads(line)["label"] == backend.manifest.labels[int(expected[-1].argmax())]


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_recorded_gates_give_the_next_hidden_state(kind: str, clips: Path, tmp_path: Path) -> None:
    found = train(options(clips, tmp_path / "run", temporal=kind, epochs=1))
    explained = explain_clip(Path(found.best_checkpoint), clips / "left" / "0", tmp_path / "out")
    assert {Path(f).name for f in explained.files} == {
        "index.html",
        "frames.png",
        "hidden-state.png",
        "gates.png",
        "probabilities.png",
        "activation-maps.png",
    }
    backend = open_any_checkpoint(Path(found.best_checkpoint))
    assert isinstance(backend, ClipBackend)
    embeddings = backend.embeddings(np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8))
    memory = record_memory(backend.network, embeddings)
    assert set(memory.gates) == ({"reset", "update"} if kind == "gru" else {"input", "forget", "output"})
    assert all(((gate > 0) & (gate < 1)).all() for gate in memory.gates.values())
    if memory.cell is not None:
        assert np.allclose(memory.gates["output"] * memory.cell.tanh(), memory.hidden, atol=1e-5)
    with pytest.raises(UsageError, match="--force"):
        explain_clip(Path(found.best_checkpoint), clips / "left" / "0", tmp_path / "out")
