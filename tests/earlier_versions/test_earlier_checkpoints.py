"""Checkpoints and run folders of versions 0.1 and 0.2: exported, resumed, and the layers that they were made for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from earlier_versions.network_layers import digests
from earlier_versions.small_network import SmallNetwork
from run_outputs import Listening, rows_of

from edgecnn.errors import CheckpointError
from edgecnn.runtime.classifier import Classifier
from edgecnn.training import TrainOptions, train
from edgecnn.training.run.checkpoint import load_checkpoint
from exporters import export_onnx

HERE = Path(__file__).parent
VERSIONS = ("0.1", "0.2")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_checkpoint_of_an_earlier_version_is_exported_to_the_same_answers(version: str, tmp_path: Path) -> None:
    export_onnx(HERE / version / "run/weights/best.pt", tmp_path / "model.onnx", network=SmallNetwork())
    classifier = Classifier(tmp_path / "model.onnx", ep="cpu", threads=1)
    expected = json.loads((HERE / version / "answers.json").read_text())["model.onnx"]
    images = sorted((HERE / "images").rglob("*.bmp"))
    found = [{score.label: score.score for score in classifier(path).top} for path in images]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_of_an_earlier_version_is_resumed(version: str, tmp_path: Path) -> None:
    run = Path(shutil.copytree(HERE / version / "run", tmp_path / "run"))
    rows = rows_of(run / "results.csv")
    said: list[str] = []
    options = TrainOptions(data=HERE / "images", out=run, resume=True, epochs=3)
    result = train(options, Listening(said), network=SmallNetwork())
    assert result.epochs == 3
    assert any("after epoch 2 of 3" in line for line in said)
    resumed = rows_of(run / "results.csv")
    assert [row["train_loss"] for row in resumed[:2]] == [row["train_loss"] for row in rows]
    before, after = (load_checkpoint(path / "run/weights/last.pt").weights for path in (HERE / version, tmp_path))
    assert before.keys() == after.keys()
    assert any(not np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("version", VERSIONS)
def test_checkpoints_of_every_built_in_network_fit(version: str) -> None:
    """By names and shapes of their layers; the checkpoints themselves would take 100 MB."""
    before, now = json.loads((HERE / version / "network_layers.json").read_text()), digests()
    changed = [name for name in before if now.get(name) != before[name]]
    assert not changed, f"checkpoints of version {version} do not fit {changed} any more"


def test_a_checkpoint_of_a_later_version_is_one_line_that_says_to_update(tmp_path: Path) -> None:
    content = torch.load(HERE / "0.2" / "run/weights/best.pt", weights_only=True)
    torch.save({**content, "edgecnn_checkpoint": 3, "later": 1}, tmp_path / "best.pt")
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(tmp_path / "best.pt")
    assert "\n" not in str(refused.value)
    assert "checkpoint format 3" in str(refused.value)
    assert "update EdgeCNN" in str(refused.value)
