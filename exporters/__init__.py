"""From a checkpoint to a model file that proves itself: export, quantization, verification.

>>> import exporters
>>> exporters.export_onnx("runs/train/1/weights/best.pt", "model.onnx")
>>> exporters.quantize("model.onnx", "data", "model.int8.onnx")
>>> exporters.verify("runs/train/1/weights/best.pt", ["model.onnx", "model.int8.onnx"], "data")
"""

from __future__ import annotations

from importlib.util import find_spec

from edgecnn.errors import MissingExtraError

_missing = [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]
if _missing:
    raise MissingExtraError(
        f"exporters needs {', '.join(_missing)}, not installed here; run pip install 'edgecnn[train]'"
    )

from exporters.adopt import AdoptOptions, adopt  # noqa: E402  # after the check, whose message names the extra
from exporters.quantize import QuantizeOptions, QuantizeResult, quantize, quantize_for  # noqa: E402
from exporters.to_onnx import ExportOptions, ExportResult, export_onnx  # noqa: E402
from exporters.verify import verify  # noqa: E402

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
