"""Converts models to float16, for GPUs."""

from __future__ import annotations

from typing import cast

from onnx import ModelProto
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16

from exporters.graph.passes import only_for

__all__ = ["to_fp16"]


def to_fp16(model: ModelProto) -> ModelProto:
    """Weights and arithmetic in float16.

    Pixels in and what comes out stay as they are, and so does the unknown score's arithmetic.
    """
    kept = only_for(model, "unknown_score")  # a difference of squares loses its digits in sixteen bits
    converted: ModelProto = convert_float_to_float16(
        model, keep_io_types=True, disable_shape_infer=False, node_block_list=kept
    )
    sortable = ONNXModel(converted)
    sortable.topological_sort()  # a cast before the score is appended at the end
    return cast("ModelProto", sortable.model)
