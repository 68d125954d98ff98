"""Hard sigmoid and hard swish in int8, where onnxruntime has no kernel for either.

``hard_sigmoid(x) = clip(x / 6 + 1/2, 0, 1)``. A uint8 tensor times 1/6 is the same bytes with a sixth of the scale, and
a uint8 result whose range is 0 to 1 cuts off below and above by itself: what is left is one addition of a constant,
``QLinearAdd``. Hard swish is that times ``x``, ``QLinearMul``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from exporters.graph.passes import attribute, consumers, producers, remove_dead_nodes
from exporters.quantization.calibrate import Range

__all__ = ["hard_sigmoid_ranges", "scale_instead_of_multiplying", "write_out_hard_sigmoids"]

_SLOPED, _SHIFTED = "_sloped", "_shifted"  # ends of names, by which the steps find each other


def write_out_hard_sigmoids(model: ModelProto) -> bool:
    """``HardSwish`` -> ``HardSigmoid`` and ``Mul``.

    ``HardSigmoid`` -> ``Mul``, ``Add``, ``Clip``: the same in steps that can be quantized.
    """
    graph = model.graph
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "HardSwish":
            (x,), (y,) = node.input, node.output
            nodes += [
                *_steps(model, x, f"{y}_gate", 1 / 6, 0.5, node.name),
                onnx.helper.make_node("Mul", [x, f"{y}_gate"], [y], name=node.name),
            ]
        elif node.op_type == "HardSigmoid":
            alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
            nodes += _steps(model, node.input[0], node.output[0], alpha, beta, node.name)
        else:
            nodes.append(node)
    changed = len(nodes) > len(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    if changed:
        model.CopyFrom(onnx.shape_inference.infer_shapes(model))
    return changed


def _steps(model: ModelProto, source: str, target: str, slope: float, offset: float, name: str) -> list[NodeProto]:
    constants = {"slope": slope, "offset": offset, "zero": 0.0, "one": 1.0}
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), f"{target}_{key}"))
    make = onnx.helper.make_node
    return [
        make("Mul", [source, f"{target}_slope"], [f"{target}{_SLOPED}"], name=f"{name}{_SLOPED}"),
        make("Add", [f"{target}{_SLOPED}", f"{target}_offset"], [f"{target}{_SHIFTED}"], name=f"{name}{_SHIFTED}"),
        make("Clip", [f"{target}{_SHIFTED}", f"{target}_zero", f"{target}_one"], [target], name=f"{name}_clipped"),
    ]


def hard_sigmoid_ranges(model: ModelProto, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """With each sloped tensor's range a share of its source's, so that both are the same bytes.

    And 0 to 1 for what is cut off there.
    """
    found = dict(ranges)
    for node in model.graph.node:
        if node.op_type == "Mul" and node.output[0].endswith(_SLOPED) and node.input[0] in found:
            slope = _initializer(model, node.input[1])
            low, high = found[node.input[0]]
            found[node.output[0]] = (low * slope, high * slope)
        if node.op_type == "Clip" and node.input[0].endswith(_SHIFTED):
            found[node.input[0]] = found[node.output[0]] = (0.0, 1.0)
    return found


def scale_instead_of_multiplying(model: ModelProto) -> bool:
    """In the QDQ model the sloped tensor is read from its source's bytes: the multiplication is a scale."""
    graph = model.graph
    made, used = producers(graph), consumers(graph)
    changed = False
    for node in [n for n in graph.node if n.op_type == "Mul" and n.output[0].endswith(_SLOPED)]:
        source = made.get(node.input[0])
        readers = used[node.output[0]]
        if (
            source is None
            or source.op_type != "DequantizeLinear"
            or len(readers) != 1
            or readers[0].op_type != "QuantizeLinear"
        ):
            continue
        for dequantize in used[readers[0].output[0]]:
            # Its own scale is the share of the source's; the zero points are equal
            dequantize.input[0] = source.input[0]
        changed = True
    return remove_dead_nodes(model) or changed


def _initializer(model: ModelProto, name: str) -> float:
    return float(next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == name))
