"""A model file that was taught dark and light grounds, as `edgecnn teach` writes it: with statistics of its classes."""

from __future__ import annotations

from pathlib import Path

from grounds import write_grounds

from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.teach import teach

__all__ = ["teach_grounds"]


def teach_grounds(model: Path, folder: Path) -> Path:
    """Teaches a model 40 images of each class, in an empty folder; returns the new file."""
    file = folder / "taught.onnx"
    assert teach(model, write_grounds(folder / "images", 40, 9000), file, TeachOptions(replace=True)).file is not None
    return file
