"""A small recurrent network, trained and exported once for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_clips import write_clips
from made_once import made_once

import exporters


@pytest.fixture(scope="session")
def clip_run(tmp_path_factory: pytest.TempPathFactory, edgecnn) -> Path:
    """A folder with clips in `clips`, a training on them in `run`, and `m.onnx` with `m.clip.onnx`; not to be written to."""

    def make(folder: Path) -> None:
        write_clips(folder / "clips", 10, frames=5)
        recipe = ("--model", "threeconv", "--weights", "none", "--epochs", 3, "--imgsz", 24, "--batch", 4)
        trained = edgecnn("train", folder / "clips", "--temporal", "gru", "--fps", 10, *recipe, "--out", folder / "run")
        assert trained.returncode == 0, trained.stderr
        exporters.export_onnx(folder / "run" / "weights" / "best.pt", folder / "m.onnx")

    return made_once("clip-run", make, tmp_path_factory)
