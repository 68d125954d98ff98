"""``edgecnn teach`` on the command line: keys, exit statuses, one line for what cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from grounds import write_grounds

KEYS = {
    "file", "sha256", "labels", "added", "images", "cv_top1", "cv_interval", "forecast", "known_top1_before",
    "known_top1_after", "decision", "reason", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("images"), 12)


def test_json_has_the_contracts_keys_and_status_0_says_it_was_written(edgecnn, tiny_model, images, tmp_path) -> None:
    out = tmp_path / "taught.onnx"
    found = edgecnn("teach", tiny_model, "--data", images, "--replace", "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result.keys() >= KEYS
    assert result["decision"] == "taught"
    assert [set(expected) for expected in result["forecast"]] == [{"images_per_class", "top1", "interval"}] * 2
    answers = edgecnn("predict", out, images / "dark", "--threshold", 0)
    assert "Prediction: dark" in answers.stdout


def test_the_file_is_named_after_the_model_and_the_table_names_the_weakest_class(
    edgecnn, tiny_model, images, tmp_path
) -> None:
    own = shutil.copy(tiny_model, tmp_path / "model.onnx")
    found = edgecnn("teach", own, "--data", images, "--replace")
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "model.taught.onnx").exists()
    assert "class, the weakest first" in found.stdout
    assert "expected with 24 images per class" in found.stdout


def test_of_many_classes_the_weakest_are_shown(edgecnn, tiny_model, tmp_path) -> None:
    random = np.random.default_rng(0)
    for i in range(33):
        (tmp_path / "data" / f"class-{i}").mkdir(parents=True)
        for k in range(5):
            image = random.integers(0, 256, (32, 32, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "data" / f"class-{i}" / f"{k}.png"), image)
    out = tmp_path / "out.onnx"
    found = edgecnn("teach", tiny_model, "--data", tmp_path / "data", "--replace", "--out", out)
    assert found.stdout.count("│ class-") == 30
    assert "3 classes that are no weaker are left out; --json lists them" in found.stderr


def test_a_model_that_would_not_be_better_is_status_3_and_not_written(edgecnn, tiny_model, images, tmp_path) -> None:
    data = tmp_path / "data"
    for i, path in enumerate(sorted(images.rglob("*.png"))):
        (data / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, data / "ab"[i % 2] / f"{path.parent.name}{path.name}")
    found = edgecnn("teach", tiny_model, "--data", data, "--replace", "--out", tmp_path / "out.onnx")
    assert found.returncode == 3
    assert "not written: by cross-validation" in found.stdout
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "IMAGES"], "does not remember what its 2 classes look like"),
        (["--data", "IMAGES/dark", "--replace"], "its images have no labels"),
        (["--data", "IMAGES", "--replace", "--out", "MODEL"], "model.onnx"),
        (["--data", "IMAGES", "--replace", "--max-drop", "2"], "--max-drop 2: expected a fraction"),
        (["--data", "IMAGES", "--label-next", "5"], "give it as --unlabelled DIR"),
    ],
)
def test_what_cannot_be_used_is_status_2_and_one_line(
    edgecnn, tiny_model, images, tmp_path, arguments: list[str], why: str
) -> None:
    own = shutil.copy(tiny_model, tmp_path / "model.onnx")
    given = [a.replace("IMAGES", str(images)).replace("MODEL", str(own)) for a in arguments]
    found = edgecnn("teach", own, *given, cwd=tmp_path)
    assert found.returncode == 2, found.stdout + found.stderr
    error = [line for line in found.stderr.splitlines() if line.startswith("edgecnn: error:")]
    assert len(error) == 1
    assert why in error[0]
