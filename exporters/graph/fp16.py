"""Converts models to float16, for GPUs, and float16 models back to float32."""

from __future__ import annotations

from typing import cast

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16

from exporters.graph.passes import only_for

__all__ = ["is_half_precision", "to_fp16", "widen"]

_HALF, _FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def to_fp16(model: ModelProto) -> ModelProto:
    """Converts weights and arithmetic to float16.

    The types of the input and the outputs stay, and so does the arithmetic of the unknown score.
    """
    kept = only_for(model, "unknown_score")  # a difference of squares loses its digits in sixteen bits
    converted: ModelProto = convert_float_to_float16(
        model, keep_io_types=True, disable_shape_infer=False, node_block_list=kept
    )
    sortable = ONNXModel(converted)
    sortable.topological_sort()  # a cast before the score is appended at the end
    return cast("ModelProto", sortable.model)


def is_half_precision(model: ModelProto) -> bool:
    """Whether most weights are float16."""
    sizes = dict.fromkeys((_HALF, _FLOAT), 0)
    for tensor in model.graph.initializer:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += int(np.prod(tensor.dims, dtype=np.int64))
    return sizes[_HALF] > sizes[_FLOAT]


def widen(model: ModelProto) -> bool:
    """Converts float16 to float32 everywhere, in place; every weight keeps its value."""
    graph, changed = model.graph, False
    for tensor in graph.initializer:
        if tensor.data_type == _HALF:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
            changed = True
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _HALF:
                attribute.i, changed = _FLOAT, True
            if attribute.HasField("t") and attribute.t.data_type == _HALF:
                wide = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(wide, attribute.t.name))
                changed = True
    for value in (*graph.value_info, *graph.output):
        if value.type.tensor_type.elem_type == _HALF:
            value.type.tensor_type.elem_type = _FLOAT
    return changed
