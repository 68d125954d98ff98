"""Converts a QDQ model to the form that TensorRT reads.

https://docs.nvidia.com/deeplearning/tensorrt, "Working with quantized types", explicit quantization.

Its zero points are 0, so no Relu may vanish; it takes no int32 biases behind a DequantizeLinear and wants weights as
floats with a pair of their own; and a pair serves one reader. What is computed stays the same: the floats are those
that the integers stood for.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from exporters.graph.passes import constant, producers, remove_dead_nodes

__all__ = ["for_tensorrt", "restore_activations"]

_ACTIVATIONS = ("Relu", "Clip")
_COMPUTING = ("Conv", "Gemm", "MatMul")


def for_tensorrt(quantized: ModelProto) -> ModelProto:
    """Returns the same model for TensorRT.

    Args:
        quantized: made by :func:`exporters.quantization.qdq.to_qdq` with zero points of 0, its activations
            restored; left as it is.
    """
    model = ModelProto()
    model.CopyFrom(quantized)
    for node in list(model.graph.node):
        if node.op_type in _COMPUTING:
            _float_weights(model, node)
    _one_pair_a_reader(model)
    remove_dead_nodes(model)
    model.ir_version = quantized.ir_version
    inferred = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(inferred)
    return inferred


def restore_activations(model: ModelProto, reference: ModelProto) -> None:
    """Restores, in place, Relu and Clip nodes that quantization removed.

    Int8 with a zero point of 0 does not cut off what is negative.

    Args:
        model: made from ``reference`` by :func:`exporters.quantization.qdq.to_qdq`.
        reference: the float model, which has them.
    """
    present = {node.name for node in model.graph.node}
    # From the last to the first: each is inserted before its own output
    for activation in reversed(reference.graph.node):
        made = producers(model.graph)
        if activation.op_type not in _ACTIVATIONS or activation.name in present or activation.output[0] not in made:
            continue
        before = made[activation.output[0]]
        before.output[0] = activation.input[0]
        model.graph.node.insert(list(model.graph.node).index(before) + 1, activation)
        known = {t.name for t in model.graph.initializer}
        bounds = [t for t in reference.graph.initializer if t.name in activation.input and t.name not in known]
        model.graph.initializer.extend(bounds)


def _float_weights(model: ModelProto, node: NodeProto) -> None:
    graph, made = model.graph, producers(model.graph)
    for place, name in enumerate(node.input[1:3], 1):
        dequantize = made.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            continue
        integers, scale = (constant(graph, n) for n in dequantize.input[:2])
        if integers is None or scale is None:
            continue
        axis = next((a.i for a in dequantize.attribute if a.name == "axis"), 0) if scale.ndim else 0
        shape = [-1 if i == axis else 1 for i in range(integers.ndim)]
        values = (integers.astype(np.float32) * scale.reshape(shape if scale.ndim else ())).astype(np.float32)
        floats = f"{dequantize.input[0]}_as_float"
        graph.initializer.append(numpy_helper.from_array(values, floats))
        if place == 2:
            node.input[2] = floats
            continue
        quantize = onnx.helper.make_node(
            "QuantizeLinear", [floats, *dequantize.input[1:]], [f"{floats}_quantized"], name=f"{floats}_quantize"
        )
        quantize.attribute.extend(dequantize.attribute)
        dequantize.input[0] = quantize.output[0]
        graph.node.insert(list(graph.node).index(dequantize), quantize)


def _one_pair_a_reader(model: ModelProto) -> None:
    graph = model.graph
    for dequantize in [n for n in graph.node if n.op_type == "DequantizeLinear"]:
        readers = [
            (node, i) for node in graph.node for i, name in enumerate(node.input) if name == dequantize.output[0]
        ]
        quantize = producers(graph).get(dequantize.input[0])
        for count, (reader, place) in enumerate(readers[1:], 1):
            pair = []
            for node in (quantize, dequantize):
                if node is None:
                    continue
                twin = onnx.NodeProto()
                twin.CopyFrom(node)
                twin.name, twin.output[0] = f"{node.name}_{count}", f"{node.output[0]}_{count}"
                pair.append(twin)
            if len(pair) == 2:
                pair[1].input[0] = pair[0].output[0]
            reader.input[place] = pair[-1].output[0]
            at = list(graph.node).index(dequantize) + 1
            for twin in reversed(pair):
                graph.node.insert(at, twin)
