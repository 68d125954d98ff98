"""Sixteen-bit floats, for GPUs."""

from __future__ import annotations

from onnx import ModelProto
from onnxruntime.transformers.float16 import convert_float_to_float16

__all__ = ["to_fp16"]


def to_fp16(model: ModelProto) -> ModelProto:
    """Weights and arithmetic in float16; pixels in and probabilities and embedding out stay as they are."""
    converted: ModelProto = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=False)
    return converted
