"""From a checkpoint to a model file that proves itself: export, quantization, verification.

>>> import exporters
>>> exporters.export_onnx("runs/train/1/weights/best.pt", "model.onnx")
>>> exporters.quantize("model.onnx", "data", "model.int8.onnx")
>>> exporters.verify("runs/train/1/weights/best.pt", ["model.onnx", "model.int8.onnx"], "data")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgecnn.errors import MissingExtraError

if TYPE_CHECKING:
    from exporters.adopt_onnx import adopt as adopt
    from exporters.options import AdoptOptions as AdoptOptions
    from exporters.options import ExportOptions as ExportOptions
    from exporters.options import QuantizeOptions as QuantizeOptions
    from exporters.to_int8 import QuantizeResult as QuantizeResult
    from exporters.to_int8 import quantize as quantize
    from exporters.to_int8 import quantize_for as quantize_for
    from exporters.to_onnx import ExportResult as ExportResult
    from exporters.to_onnx import export_onnx as export_onnx
    from exporters.verify_models import verify as verify

__all__ = [
    "AdoptOptions",
    "ExportOptions",
    "ExportResult",
    "QuantizeOptions",
    "QuantizeResult",
    "adopt",
    "export_onnx",
    "quantize",
    "quantize_for",
    "verify",
]

_MODULES = {
    "AdoptOptions": "options",
    "ExportOptions": "options",
    "ExportResult": "to_onnx",
    "QuantizeOptions": "options",
    "QuantizeResult": "to_int8",
    "adopt": "adopt_onnx",
    "export_onnx": "to_onnx",
    "quantize": "to_int8",
    "quantize_for": "to_int8",
    "verify": "verify_models",
}


def __getattr__(name: str) -> object:
    """Imported when first used; without the extra the error names it."""
    if name not in _MODULES:
        raise AttributeError(f"module 'exporters' has no attribute {name!r}")
    try:
        return getattr(import_module(f"exporters.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("edgecnn", "exporters")):
            raise
        raise MissingExtraError(
            f"exporters needs {error.name}, which is not installed; run pip install 'edgecnn[train]'"
        ) from error


def __dir__() -> list[str]:
    return sorted(__all__)
