"""edgecnn explain as scripts and learners call it."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import pytest

from edgecnn.cli.options import require_extra
from edgecnn.errors import MissingExtraError
from edgecnn.folder_lock import folder_lock
from edgecnn.manifest import TAUGHT_KEY
from edgecnn.runtime.onnx_file.proto import parse_model


@pytest.fixture
def checkpoint(small_run: Path) -> Path:
    return small_run / "run" / "weights" / "best.pt"


def test_json_names_the_files_and_the_prediction_and_is_alone_on_standard_output(
    checkpoint: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    done = edgecnn("explain", checkpoint, shapes / "circle" / "5000.png", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() >= {"checkpoint", "image", "label", "index", "score", "unknown", "top", "out", "files"}
    assert found["label"] == found["top"][0]["label"]
    assert found["label"] in ("circle", "square")
    assert sorted(map(str, (tmp_path / "out").iterdir())) == sorted(found["files"])
    assert all(cv2.imread(file) is not None for file in found["files"] if file.endswith(".png"))


def test_text_gives_the_answer_and_where_the_page_is(checkpoint: Path, shapes: Path, tmp_path: Path, edgecnn) -> None:
    out = tmp_path / "out"
    done = edgecnn("explain", checkpoint, shapes / "square" / "5000.png", "--out", out, "--classes", 1)
    assert done.returncode == 0, done.stderr
    assert "5000.png: " in done.stdout
    assert str(out / "index.html") in done.stdout
    again = edgecnn("explain", checkpoint, shapes / "square" / "5000.png", "--out", out)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert len(again.stderr.splitlines()) == 1


def test_of_two_commands_that_write_into_one_folder_at_once_one_is_refused(
    checkpoint: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    out = tmp_path / "out"

    def explain(label: str):
        return edgecnn("explain", checkpoint, shapes / label / "5000.png", "--out", out)

    with ThreadPoolExecutor(2) as pool:
        refused, done = sorted(pool.map(explain, ("circle", "square")), key=lambda one: -one.returncode)
    assert (refused.returncode, done.returncode) == (2, 0), refused.stderr + done.stderr
    assert len(refused.stderr.splitlines()) == 1
    before = sorted(out.iterdir())
    with folder_lock(out, "--out", print):
        late = edgecnn("explain", checkpoint, shapes / "circle" / "5000.png", "--out", out, "--force")
    assert late.returncode == 2
    assert f"process {os.getpid()} on" in late.stderr
    assert late.stderr.endswith("is writing here; wait until it ends, or name another --out\n")
    assert sorted(out.iterdir()) == before, "no lock file stays"


def test_a_model_file_is_explained_beside_the_one_before(
    tiny_model: Path, tiny_int8_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    image, out = shapes / "circle" / "5000.png", tmp_path / "out"
    done = edgecnn("explain", tiny_int8_model, image, "--before", tiny_model, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answer"]["label"] == found["before"]["label"] == "circle"
    assert [drawn["label"] for drawn in found["answer"]["maps"]] == ["circle", "square"]
    assert found["answer"]["nearest"] == []
    assert "remembers no taught images" in found["answer"]["nearest_reason"]
    assert sorted(map(str, out.iterdir())) == sorted(found["files"])
    assert all(cv2.imread(file) is not None for file in found["files"] if file.endswith(".png"))
    page = (out / "index.html").read_text()
    assert page.count("<figure>") == 5  # the image, and two classes of two models
    assert "Before: circle" in page
    told = edgecnn("explain", tiny_model, image, "--out", tmp_path / "told", "--classes", 1)
    assert f"{image}: circle (0." in told.stdout
    assert "written: " in told.stdout


@pytest.mark.parametrize("arguments", [("--fps", 3), ("--classes", 0), ("--before", "none.onnx")])
def test_what_a_model_file_cannot_be_asked_is_refused_in_one_line(
    arguments: tuple[object, ...], tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    done = edgecnn("explain", tiny_model, shapes / "circle" / "5000.png", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_has_no_model_before(checkpoint: Path, shapes: Path, tmp_path: Path, edgecnn) -> None:
    image = shapes / "circle" / "5000.png"
    done = edgecnn("explain", checkpoint, image, "--before", checkpoint, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "--before" in done.stderr


def test_a_tampered_record_of_taught_images_gives_a_line_and_no_answer(
    tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    model = parse_model(tiny_model.read_bytes(), tiny_model, with_data=True)
    model.metadata_props.add(key=TAUGHT_KEY, value='{"labels": ["x"], "files": null}')
    (tmp_path / "tampered.onnx").write_bytes(model.SerializeToString())
    done = edgecnn("explain", tmp_path / "tampered.onnx", shapes / "circle" / "5000.png", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the record of the taught images is invalid" in done.stderr


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"explaining a network needs torch.*edgecnn\[train\]"):
        require_extra("explaining a network")
