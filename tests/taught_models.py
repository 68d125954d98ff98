"""Taught model files: the classes `dark` and `light` learned anew, then `stripes` added."""

from __future__ import annotations

from pathlib import Path

from grounds import write_grounds, write_stripes

from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.teach import teach

LABELS = ("dark", "light", "stripes")


def write_taught(folder: Path, model: Path) -> Path:
    """Teaches ``model`` in ``folder``, which is empty; the result has a rule for `unknown` by the features."""
    first = write_grounds(folder / "first", 25, first_seed=9000)
    write_stripes(folder / "then", 12)
    assert teach(model, first, folder / "first.onnx", TeachOptions(replace=True)).decision == "taught"
    assert teach(folder / "first.onnx", folder / "then", folder / "taught.onnx").decision == "taught"
    return folder / "taught.onnx"


def write_fresh(folder: Path, count: int = 20) -> Path:
    """Images of all three classes that no taught model has seen."""
    write_grounds(folder, count, first_seed=20_000)
    write_stripes(folder, count, first_seed=20_000)
    return folder
