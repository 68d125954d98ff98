"""What was labelled is a dataset: training and evaluation take the folder as it is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
from serving.collect.made_frames import fill, store_in
from shapes import CLASSES, shape_image


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Twelve labelled frames a class, some of them copies of one moment, and frames without a label beside them."""
    store = store_in(tmp_path / "frames")
    for name in CLASSES:
        for seed in range(12):
            image = cv2.imencode(".png", shape_image(name, seed))[1].tobytes()
            group = {"group": f"{name}-moment"} if seed < 3 else {}
            store.label([fill(store, 1, image, **group)[0].record.id], name)
    fill(store, 3)
    return tmp_path / "frames" / "labelled"


def test_val_takes_the_folder(labelled: Path, tiny_model: Path, edgecnn) -> None:
    done = edgecnn("val", tiny_model, "--data", labelled, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 24
    assert "left out" not in done.stderr or "none left out" in done.stderr


@pytest.mark.skipif(find_spec("torch") is None, reason="training needs torch")
def test_train_takes_the_folder_and_keeps_a_moment_on_one_side(labelled: Path, tmp_path: Path, edgecnn) -> None:
    recipe = ("--model", "resnet8", "--weights", "none", "--epochs", 1, "--imgsz", 32, "--batch", 8)
    done = edgecnn("train", labelled, *recipe, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert sorted(summary["labels"]) == sorted(CLASSES)
    assert summary["train_images"] + summary["val_images"] == 24
    rows = [line.split(",") for line in (tmp_path / "run" / "split.csv").read_text().splitlines()[1:]]
    for name in CLASSES:
        assert len({row[-1] for row in rows if f"session-{name}-moment" in row[0]}) == 1
