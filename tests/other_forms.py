"""Files of resnet8, which nobody trained, in other forms than that which `export` writes by default; each exported once."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_once import made_once
from untrained import shared_backend

from exporters import ExportOptions, export_onnx

__all__ = ["OTHER_FORMS", "other_form"]

_OPTIONS = {"fp16": ExportOptions(precision="fp16"), "nchw-float32": ExportOptions(layout="nchw-float32")}
OTHER_FORMS = tuple(_OPTIONS)


def other_form(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of that form; not to be written to."""

    def make(folder: Path) -> None:
        export_onnx(shared_backend("resnet8"), folder / "model.onnx", _OPTIONS[name])

    return made_once(f"resnet8-{name}", make, tmp_path_factory) / "model.onnx"
