"""`edgecnn train`: what it says of the images, and where its run folder may lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

QUICK = ("--model", "resnet8", "--weights", "none", "--imgsz", "32", "--epochs", "1")


@pytest.fixture
def data(shapes: Path, tmp_path: Path) -> Path:
    """Twelve images of each of two classes."""
    for name in ("circle", "square"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for path in sorted((shapes / name).iterdir())[:12]:
            shutil.copy(path, folder / path.name)
    return tmp_path / "data"


@pytest.fixture
def leaked(data: Path) -> Path:
    """Validation images that are training images (a fault), a photograph that is not read (a warning) and a text (a note)."""
    for split in ("train", "val"):
        for name in ("circle", "square"):
            shutil.copytree(data / name, data / split / name)
    for name in ("circle", "square"):
        shutil.rmtree(data / name)
    (data / "train" / "circle" / "phone.heic").write_bytes(b"")
    (data / "train" / "circle" / "notes.txt").write_text("text")
    return data


def test_findings_are_printed_the_gravest_first_and_stand_in_json_and_the_summary(
    leaked: Path, tmp_path: Path, edgecnn
) -> None:
    done = edgecnn("train", leaked, *QUICK, "--out", tmp_path / "run", env={"COLUMNS": "250"})
    assert done.returncode == 0
    shown = done.stdout
    fault, warning = shown.index("the same image in two splits"), shown.index("its format is not read")
    assert fault < warning < shown.index("validation top-1")
    assert "notes.txt" not in shown  # a note: in the report and in JSON alone
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["findings"]
    assert [finding["level"] for finding in summary] == sorted(
        (finding["level"] for finding in summary), key=("fault", "warning", "note").index
    )
    assert "the same image in two splits" in summary[0]["what"]
    assert any("notes.txt" in finding["where"] for finding in summary)
    done = edgecnn("train", leaked, *QUICK, "--out", tmp_path / "again", "--json")
    assert json.loads(done.stdout)["findings"] == summary


def test_strict_ends_with_status_3_before_training_and_leaves_nothing(leaked: Path, tmp_path: Path, edgecnn) -> None:
    done = edgecnn("train", leaked, *QUICK, "--out", tmp_path / "run", "--strict")
    assert done.returncode == 3
    assert "the same image in two splits" in done.stderr
    assert not (tmp_path / "run").exists()


def test_strict_trains_where_there_is_no_fault(data: Path, tmp_path: Path, edgecnn) -> None:
    (data / "circle" / "phone.heic").write_bytes(b"")  # a warning
    assert edgecnn("train", data, *QUICK, "--out", tmp_path / "run", "--strict").returncode == 0


def test_training_from_inside_the_data_takes_no_run_for_a_class(data: Path, edgecnn) -> None:
    for number in (1, 2):
        done = edgecnn("train", ".", *QUICK, "--json", cwd=data)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["labels"] == ["circle", "square"]
        assert result["run_dir"] == f"runs/train/{number}"
        assert result["train_images"] + result["val_images"] == 24


def test_a_run_folder_named_inside_the_data_is_no_class(data: Path, edgecnn) -> None:
    for out in (data / "mine" / "run1", data / "circle" / "run2"):
        done = edgecnn("train", data, *QUICK, "--out", out, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["labels"] == ["circle", "square"]


def test_a_command_that_fails_leaves_no_run_folder_and_no_number_is_lost(data: Path, tmp_path: Path, edgecnn) -> None:
    shutil.copytree(data / "circle", tmp_path / "one" / "circle")
    for wrong in (("one",), ("no/such/folder",), ("data", "--val-split", "2"), ("data", "--weights", "no/such.pt")):
        done = edgecnn("train", *wrong, *QUICK[:2], *QUICK[4:], cwd=tmp_path)
        assert done.returncode == 2
        assert not (tmp_path / "runs").exists()
    done = edgecnn("train", "data", *QUICK, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["run_dir"] == "runs/train/1"
