"""Small passes over an exported graph, one concern each.

Each takes a model, changes it in place and says whether it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

__all__ = [
    "attribute",
    "constant",
    "consumers",
    "drop_identities",
    "fold_gemm_factors",
    "mean_to_global_average_pool",
    "only_for",
    "producers",
    "remove_dead_nodes",
    "replace_constant",
    "run_passes",
    "set_attribute",
]

Pass = Callable[[ModelProto], bool]


def run_passes(model: ModelProto, passes: tuple[Pass, ...]) -> ModelProto:
    """Runs passes in order; the model is checked after each that changed it, so that a failure names its pass."""
    for step in passes:
        if step(model):
            try:
                onnx.checker.check_model(model)
            except onnx.checker.ValidationError as error:
                raise AssertionError(
                    f"internal error: the graph pass {step.__name__} made the graph invalid: {error}"
                ) from error
    return model


def mean_to_global_average_pool(model: ModelProto) -> bool:
    """``ReduceMean`` over height and width -> ``GlobalAveragePool``, which onnxruntime has an int8 kernel for (it has
    none for the mean)."""
    changed = False
    for node in _nodes(model, "ReduceMean"):
        axes = _axes(model.graph, node)
        if (
            axes is not None
            and sorted(a % 4 for a in axes) == [2, 3]
            and _rank(model.graph, node.input[0]) == 4
            and attribute(node, "keepdims", 1) == 1
        ):
            source = node.input[0]
            del node.input[:], node.attribute[:]
            node.op_type = "GlobalAveragePool"
            node.input.append(source)
            changed = True
    return changed


def drop_identities(model: ModelProto) -> bool:
    """Removes Identity nodes that make no output of the graph."""
    graph = model.graph
    outputs = {value.name for value in graph.output}
    dropped = [node for node in graph.node if node.op_type == "Identity" and node.output[0] not in outputs]
    for node in dropped:
        for reader in graph.node:
            reader.input[:] = [node.input[0] if name == node.output[0] else name for name in reader.input]
        graph.node.remove(node)
    return bool(dropped)


def fold_gemm_factors(model: ModelProto) -> bool:
    """Multiplies ``alpha`` and ``beta`` of a Gemm into its constant weights and bias.

    onnxruntime 1.32's quantizer loses ``beta`` (``findings/onnxruntime_quantizer_loses_the_beta_of_a_gemm.sh``), and
    the bias of its int8 layer is multiplied by ``alpha`` too (onnxruntime issue 28130).
    """
    changed = False
    for node in _nodes(model, "Gemm"):
        for position, name in ((1, "alpha"), (2, "beta")):
            factor = attribute(node, name, 1.0)
            given = len(node.input) > position and node.input[position]
            if factor == 1 or (name == "beta" and not given):
                continue
            value = constant(model.graph, node.input[position]) if given else None
            if value is None:
                continue
            folded = f"{node.output[0]}_{name}_{node.input[position]}"
            scaled = (value * np.float64(factor)).astype(value.dtype)
            model.graph.initializer.append(numpy_helper.from_array(scaled, folded))
            node.input[position] = folded
            set_attribute(node, name, 1.0)
            changed = True
    return changed


def remove_dead_nodes(model: ModelProto) -> bool:
    """Removes nodes and initializers that no output needs."""
    graph = model.graph
    needed = {o.name for o in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed.update(node.input)
    changed = len(kept) < len(graph.node)
    kept.reverse()
    initializers = [t for t in graph.initializer if t.name in needed]
    changed |= len(initializers) < len(graph.initializer)
    nodes = [NodeProto.FromString(n.SerializeToString()) for n in kept]
    tensors = [onnx.TensorProto.FromString(t.SerializeToString()) for t in initializers]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    alive = {name for node in nodes for name in node.output}
    infos = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in graph.value_info if v.name in alive]
    del graph.value_info[:]
    graph.value_info.extend(infos)
    return changed


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in graph.node for name in node.output}


def only_for(model: ModelProto, output: str) -> list[str]:
    """Names of the nodes that this output needs and no other does; empty where there is no such output."""
    made = producers(model.graph)

    def behind(name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            node = made.get(waiting.pop())
            if node is not None and node.name not in found:
                found.add(node.name)
                waiting += node.input
        return found

    others = [behind(o.name) for o in model.graph.output if o.name != output]
    return sorted(behind(output).difference(*others))


def consumers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """The nodes that read each tensor."""
    found: dict[str, list[NodeProto]] = {name: [] for node in graph.node for name in node.output}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def constant(graph: GraphProto, name: str) -> NDArray[Any] | None:
    """The value of an initializer or of a Constant node."""
    for tensor in graph.initializer:
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] == name and node.attribute[0].name == "value":
            return numpy_helper.to_array(node.attribute[0].t)
    return None


def replace_constant(graph: GraphProto, name: str, value: NDArray[Any]) -> None:
    """Replaces the value of an initializer."""
    for tensor in graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(value, name))


def _nodes(model: ModelProto, op_type: str) -> Iterator[NodeProto]:
    return (node for node in model.graph.node if node.op_type == op_type)


def _axes(graph: GraphProto, node: NodeProto) -> list[int] | None:
    """An attribute up to opset 17, an input from 18 on."""
    if len(node.input) > 1:
        found = constant(graph, node.input[1])
        return None if found is None else [int(a) for a in found]
    axes = attribute(node, "axes", None)
    return None if axes is None else list(axes)


def _rank(graph: GraphProto, name: str) -> int | None:
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.name == name:
            return len(value.type.tensor_type.shape.dim)
    return None


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of an attribute, or its default."""
    for found in node.attribute:
        if found.name == name:
            return onnx.helper.get_attribute_value(found)
    return default


def set_attribute(node: NodeProto, name: str, value: Any) -> None:
    """Sets an attribute of a node."""
    for old in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(old)
    node.attribute.append(onnx.helper.make_attribute(name, value))
