"""Export, quantization and verification of model files.

>>> import exporters
>>> exporters.export_onnx("runs/train/1/weights/best.pt", "model.onnx")
>>> exporters.quantize("model.onnx", "data", "model.int8.onnx")
>>> exporters.verify("runs/train/1/weights/best.pt", ["model.onnx", "model.int8.onnx"], "data")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

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


__getattr__, __dir__ = lazy_names(__name__, _MODULES, needs="train")
