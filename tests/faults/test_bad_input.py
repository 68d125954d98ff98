"""Bad input: one line that says what, where, why and what to do, and the right exit status; never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from refused import refused
from shapes import shape_image
from unprivileged import unprivileged


def cut_short_jpeg(path: Path) -> None:
    done, data = cv2.imencode(".jpg", shape_image("circle", 0, 200))
    assert done
    path.write_bytes(data.tobytes()[: len(data) // 2])


def test_a_missing_folder(edgecnn, tmp_path: Path) -> None:
    refused(edgecnn("train", tmp_path / "nowhere", "--out", tmp_path / "x"), "nowhere", "no such folder")


def test_a_file_where_a_folder_is_expected(edgecnn, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    refused(edgecnn("train", tmp_path / "a.txt", "--out", tmp_path / "x"), "a.txt", "folder")


def test_one_class(edgecnn, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes / "circle", tmp_path / "data" / "circle")
    refused(
        edgecnn("train", tmp_path / "data", "--model", "resnet8", "--out", tmp_path / "x"),
        "one class",
        "circle",
        "needs two",
    )


def test_an_empty_class(edgecnn, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "data")
    (tmp_path / "data" / "star").mkdir()
    refused(edgecnn("train", tmp_path / "data", "--model", "resnet8", "--out", tmp_path / "x"), "'star' has 0")


def test_a_class_of_broken_images_is_as_good_as_empty(edgecnn, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "data")
    (tmp_path / "data" / "star").mkdir()
    for i in range(3):
        (tmp_path / "data" / "star" / f"{i}.jpg").write_text("no image")
    refused(
        edgecnn("train", tmp_path / "data", "--model", "resnet8", "--out", tmp_path / "x"),
        "'star' has 0",
        "3 images could not be read",
    )


def test_training_names_and_leaves_out_what_it_cannot_read(edgecnn, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "data")
    circle = tmp_path / "data" / "circle"
    (circle / "text.jpg").write_text("no image")
    (circle / "empty.jpg").write_bytes(b"")
    cut_short_jpeg(circle / "cut.jpg")
    done = edgecnn(
        "train",
        tmp_path / "data",
        "--model",
        "resnet8",
        "--weights",
        "none",
        "--epochs",
        1,
        "--imgsz",
        32,
        "--out",
        tmp_path / "x",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    skipped = {Path(s["path"]).name: s["reason"] for s in json.loads(done.stdout)["skipped"]}
    assert skipped.keys() == {"text.jpg", "empty.jpg", "cut.jpg"}
    assert "truncated" in skipped["cut.jpg"]
    assert "empty" in skipped["empty.jpg"]
    for name in skipped:
        assert name in done.stderr


def test_predict_names_each_image_that_it_cannot_read(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    cut_short_jpeg(tmp_path / "cut.jpg")
    alone = edgecnn("predict", tiny_model, tmp_path, "--format", "jsonl")
    assert alone.returncode == 2  # no source gave an answer
    assert "0 answered" in alone.stderr
    cv2.imwrite(str(tmp_path / "good.png"), shape_image("circle", 0))
    done = edgecnn("predict", tiny_model, tmp_path, "--format", "jsonl")
    assert done.returncode == 0
    rows = {Path(row["source"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["good.png"]["status"] in ("ok", "unknown")
    for name, words in (("text.jpg", "not an image"), ("empty.jpg", "empty"), ("cut.jpg", "truncated")):
        assert rows[name]["status"] == "error"
        assert words in rows[name]["reason"]
        assert rows[name]["label"] is rows[name]["score"] is None
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["predict", "inspect", "benchmark", "doctor", "val", "quantize", "verify"])
def test_a_model_that_is_no_onnx(command: str, edgecnn, shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"not a model")
    extra = {
        "predict": [shapes],
        "val": ["--data", shapes],
        "quantize": ["--data", shapes],
        "verify": [path, "--data", shapes],
    }.get(command, [])
    refused(edgecnn(command, path, *extra), "no.onnx")


def bare_onnx(path: Path) -> Path:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def one_label_too_few(source: Path, path: Path) -> Path:
    model = onnx.load(source)
    for entry in model.metadata_props:
        if entry.key == "edgecnn":
            entry.value = json.dumps({**json.loads(entry.value), "labels": ["circle"]})
    onnx.save(model, path)
    return path


def test_an_onnx_without_a_manifest(edgecnn, shapes: Path, tmp_path: Path) -> None:
    refused(
        edgecnn("predict", bare_onnx(tmp_path / "bare.onnx"), shapes),
        "bare.onnx",
        "without EdgeCNN's manifest",
        "edgecnn export",
    )


def test_a_manifest_with_one_label_too_few(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    refused(edgecnn("predict", one_label_too_few(tiny_model, tmp_path / "short.onnx"), shapes), "short.onnx", "labels")


def test_a_model_whose_golden_samples_fail_is_not_trusted(
    edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    model = onnx.load(tiny_model)
    gemm = [n for n in model.graph.node if n.op_type == "Gemm"][-1]
    for tensor in model.graph.initializer:
        if tensor.name in gemm.input[1:]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    refused(edgecnn("predict", path, shapes), "changed.onnx", "golden samples fail", status=3)
    examined = edgecnn("doctor", path, "--json")
    assert examined.returncode == 3
    assert json.loads(examined.stdout)["ok"] is False
    assert edgecnn("predict", path, shapes, "--ep", "cpu").returncode == 0  # whoever names a provider has been told
    refused(
        edgecnn("predict", path, shapes, "--ep", "cpu", "--prove"),
        "changed.onnx",
        "golden samples fail on cpu",
        status=3,
    )


def test_nan_is_no_decision(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_model)
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(tensor.dims), np.nan, np.float32), tensor.name))
    path = tmp_path / "nan.onnx"
    onnx.save(model, path)
    done = edgecnn("predict", path, shapes / "circle" / "5000.png", "--ep", "cpu", "--json")
    row = json.loads(done.stdout)
    assert done.returncode == 2
    assert row["status"] == "no_decision"
    assert "invalid output" in row["reason"]
    assert row["label"] is None


@pytest.fixture
def full_disk(tmp_path: Path):
    """A file system of 256 kB."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=False)


@pytest.mark.parametrize("side", [32, 96], ids=["before a checkpoint", "before the first epoch"])
def test_a_full_disk_while_training(side: int, edgecnn, shapes: Path, full_disk: Path) -> None:
    done = edgecnn(
        "train",
        shapes,
        "--model",
        "resnet8",
        "--weights",
        "none",
        "--epochs",
        1,
        "--imgsz",
        side,
        "--out",
        full_disk / "run",
    )
    refused(done, str(full_disk), "No space left")


def test_a_full_disk_while_exporting_leaves_the_old_file(edgecnn, small_run: Path, full_disk: Path) -> None:
    target = full_disk / "m.onnx"
    target.write_bytes(b"the old file")
    done = edgecnn("export", small_run / "run" / "weights" / "best.pt", "--out", target)
    refused(done, "m.onnx", "No space left")
    assert target.read_bytes() == b"the old file"
    assert [p.name for p in full_disk.iterdir()] == ["m.onnx"]


def test_nothing_is_written_over_what_it_is_made_from(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    model, link = tmp_path / "m.onnx", tmp_path / "link.onnx"
    model.write_bytes(before := tiny_model.read_bytes())
    link.symlink_to(model)
    for out in (model, link):
        refused(edgecnn("quantize", model, "--data", shapes, "--out", out), "overwrite its own input")
        refused(edgecnn("adopt", model, "--out", out), "overwrite its own input")
        refused(edgecnn("export", model, "--out", out), "overwrite its own input")
        refused(edgecnn("tune", model, shapes, "--budget", 1, "--out", out), "overwrite its own input")
    assert model.read_bytes() == before
    image = shutil.copytree(shapes, tmp_path / "data") / "circle" / "5000.png"
    pixels = image.read_bytes()
    refused(edgecnn("quantize", model, "--data", tmp_path / "data", "--out", image), "overwrite its own input")
    assert image.read_bytes() == pixels


def test_a_folder_that_may_not_be_written(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    options = ("--model", "resnet8", "--weights", "none", "--out", tmp_path / "locked" / "run")
    command = unprivileged(sys.executable, "-m", "edgecnn", "train", shapes, *options)
    refused(subprocess.run(command, capture_output=True, text=True, check=False), "locked", "Permission denied")


def test_a_folder_that_holds_a_run_is_refused(edgecnn, shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "weights").mkdir(parents=True)
    refused(
        edgecnn("train", shapes, "--model", "resnet8", "--weights", "none", "--out", tmp_path / "run"),
        "holds a run",
        "--resume",
        "--force",
    )


def test_wrong_usage_is_status_2(edgecnn) -> None:
    for arguments in (
        ("nonsense",),
        ("train",),
        ("train", "data", "--nonsense"),
        ("predict", "m.onnx", "a.jpg", "--format", "xml"),
    ):
        done = edgecnn(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_traceback_is_shown_where_it_is_asked_for(edgecnn, tmp_path: Path) -> None:
    assert "Traceback" in edgecnn("inspect", tmp_path / "nowhere.onnx", env={"EDGECNN_DEBUG": "1"}).stderr


def test_file_names_of_any_bytes_are_processed(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    done, data = cv2.imencode(".png", shape_image("circle", 0))
    assert done
    for name in ("a b.png", "ü.png", "new\nline.png", "[x].png", "'q'.png", "x" * 240 + ".png"):
        (tmp_path / name).write_bytes(data.tobytes())
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:
        file.write(data.tobytes())
    found = edgecnn("predict", tiny_model, tmp_path, "--format", "jsonl")
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 7
    (tmp_path / "new\nline.png").unlink()
    listed = subprocess.run(
        [sys.executable, "-m", "edgecnn", "predict", tiny_model, tmp_path], capture_output=True, check=True
    ).stdout
    assert (
        os.fsencode(tmp_path) + b"/\xff.png: Prediction" in listed
    )  # the very bytes, so that a script can go on with the name


def test_a_pipe_is_not_waited_for(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    """A FIFO without a writer would block for ever."""
    os.mkfifo(tmp_path / "pipe.png")
    done = edgecnn("predict", tiny_model, tmp_path, timeout=30)
    assert done.returncode == 2
