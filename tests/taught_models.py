"""Taught model files. Each is made once, for all tests that read it; its folder is not to be written to."""

from __future__ import annotations

from pathlib import Path

import pytest
from grounds import write_grounds, write_stripes
from made_once import made_once

from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.teach import teach

__all__ = ["LABELS", "taught_grounds", "taught_stripes", "taught_with_thumbnails", "write_fresh"]

LABELS = ("dark", "light", "stripes")
MODELS = Path(__file__).parent / "models"


def taught_grounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that learned `dark` and `light` of 40 images each: with statistics of its classes and a rule for `unknown`."""

    def make(folder: Path) -> None:
        images = write_grounds(folder / "images", 40, first_seed=9000)
        assert teach(MODELS / "tiny.onnx", images, folder / "taught.onnx", TeachOptions(replace=True)).file

    return made_once("taught-grounds", make, tmp_path_factory) / "taught.onnx"


def taught_with_thumbnails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that shows its images of `dark` and `light`, twelve each, which lie in `images` beside it."""

    def make(folder: Path) -> None:
        images, options = write_grounds(folder / "images", 12), TeachOptions(replace=True, thumbnails=True)
        assert teach(MODELS / "tiny.onnx", images, folder / "taught.onnx", options).file

    return made_once("taught-with-thumbnails", make, tmp_path_factory) / "taught.onnx"


def taught_stripes(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of that name after `dark` and `light` were learned anew and `stripes` added: with a rule for `unknown`."""

    def make(folder: Path) -> None:
        first = write_grounds(folder / "first", 25, first_seed=9000)
        write_stripes(folder / "then", 12)
        assert teach(MODELS / name, first, folder / "first.onnx", TeachOptions(replace=True)).file
        assert teach(folder / "first.onnx", folder / "then", folder / "taught.onnx").file

    return made_once(f"taught-stripes-{name}", make, tmp_path_factory) / "taught.onnx"


def write_fresh(folder: Path, count: int = 20) -> Path:
    """Images of all three classes that no taught model has seen."""
    write_grounds(folder, count, first_seed=20_000)
    write_stripes(folder, count, first_seed=20_000)
    return folder
