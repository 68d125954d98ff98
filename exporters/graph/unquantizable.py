"""Finds nodes that cannot be quantized, or whose integer result would differ; each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from exporters.graph.average_pools import hanging_pools
from exporters.graph.passes import attribute, constant

__all__ = ["QUANTIZED_TYPES", "kept_float"]

# What onnxruntime's CPU provider has int8 kernels for, and what passes 8 bits through unchanged
QUANTIZED_TYPES = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Relu",
    "Clip",
    "GlobalAveragePool",
    "AveragePool",
    "MaxPool",
    "Reshape",
    "Flatten",
    "Concat",
    "Mul",
)
_LATER = ("Relu", "Clip")  # their second input is a bound
_SHAPED = ("Reshape",)  # their second input is a shape


def kept_float(model: ModelProto, ranges: Mapping[str, object]) -> dict[str, str]:
    """Maps names of nodes that stay in float, although their operator could be quantized, to the reason.

    Args:
        model: a float model whose nodes have names and whose tensors have types.
        ranges: of the tensors that could be observed.
    """
    kinds = _kinds(model.graph)
    found = dict.fromkeys(hanging_pools(model), "its last window hangs over the edge, and it counts pads")
    for node in model.graph.node:
        if node.op_type in QUANTIZED_TYPES and node.name not in found:
            reason = _reason(model.graph, node, kinds, ranges)
            if reason is not None:
                found[node.name] = reason
    return found


def _kinds(graph: GraphProto) -> dict[str, int]:
    kinds = {t.name: int(t.data_type) for t in graph.initializer}
    kinds |= {v.name: int(v.type.tensor_type.elem_type) for v in (*graph.input, *graph.value_info, *graph.output)}
    return kinds


def _reason(graph: GraphProto, node: NodeProto, kinds: Mapping[str, int], ranges: Mapping[str, object]) -> str | None:
    data = node.input[:1] if node.op_type in (*_LATER, *_SHAPED) else node.input
    for name in (*data, *node.output):
        if not name:
            continue
        if kinds.get(name) not in (TensorProto.FLOAT, TensorProto.UNDEFINED, None):
            return f"{name} is {TensorProto.DataType.Name(kinds[name]).lower()}, not float"
        if name not in ranges and constant(graph, name) is None:
            return f"the range of {name} could not be observed"
    if node.op_type == "Clip" and _leaves_out_zero(graph, node):
        return "its bounds leave out zero, which every range of integers holds"
    return None


def _leaves_out_zero(graph: GraphProto, node: NodeProto) -> bool:
    """Whether 0 lies beyond a bound, or may. onnxruntime's quantizer drops a Clip whose bounds the integers' range has,
    and stretches each range to hold 0: it then lets through what is between (1.32,
    ``findings/onnxruntime_quantizer_drops_a_clip_above_zero.sh``)."""
    old = {1: attribute(node, "min", None), 2: attribute(node, "max", None)}  # attributes up to opset 10
    for position, sign in ((1, 1), (2, -1)):
        bound = old[position]
        if len(node.input) > position and node.input[position]:
            bound = constant(graph, node.input[position])
            if bound is None:
                return True
        if bound is not None and sign * float(bound) > 0:
            return True
    return False
