"""Names nodes and tensors of an exported graph by the layers of the network, so that a viewer of graphs can be read.

Torch's exporter numbers them (``node_Conv_867``, ``getitem_3``). It notes the module of each node, which these names
are made from: ``blocks.3.layers.1.0/Conv`` and, for the tensor that it gives, the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

import onnx
from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["name_by_layer"]

_SCOPES = "pkg.torch.onnx.name_scopes"  # of a node: a Python list of the modules around it, and its own name
_WRAPPER = "network"  # holds the network in the modules that are traced
_WEIGHT, _BIAS = ".weight", ".bias"
_FOLDED_BIAS = ".weight_bias"  # torch's name of the bias of a convolution with the batch-norm behind it


def name_by_layer(model: ModelProto) -> ModelProto:
    """Renames the nodes, tensors and constants of the graph; its inputs and outputs keep their names.

    Args:
        model: as torch's exporter wrote it, with its notes; changed in place. A graph with subgraphs is left as it is.
    """
    graph = model.graph
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        return model
    kept = [value.name for value in (*graph.input, *graph.output)]
    names = _Names(kept)
    for tensor in graph.initializer:  # first: a weight has the name of its layer, whatever else is named so
        if _is_parameter(tensor.name):
            names.give(tensor.name, _parameter_name(tensor.name))
    layers = _layers(graph)
    nodes = _Names(())
    for i, (node, layer) in enumerate(zip(graph.node, layers, strict=True)):
        node.name = nodes.give(str(i), f"{layer}/{node.op_type}" if layer else node.op_type)
        _name_constants(node, names)
        for output in node.output:
            names.give(output, node.name)
    _rename(graph, names)
    return model


class _Names:
    """New names by old ones, each given once."""

    def __init__(self, kept: Iterable[str]) -> None:
        self.new = {name: name for name in (*kept, "")}
        self._taken = set(self.new)

    def give(self, old: str, wanted: str) -> str:
        """The new name of ``old``: ``wanted``, with a number where that is taken."""
        if old in self.new:
            return self.new[old]
        name, count = wanted, 1
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        self.new[old] = name
        return name


def _layers(graph: GraphProto) -> list[str]:
    """The layer of each node: of its weights, of its notes, or that of the node before it."""
    constants = {tensor.name for tensor in graph.initializer}
    of_tensor: dict[str, str] = {}
    found = []
    for node in graph.node:
        weights = [name for name in node.input if name in constants and name.endswith(_WEIGHT)]
        noted = _noted_layer(node)
        if weights:
            layer = _inside(weights[0].removesuffix(_WEIGHT))
        elif noted is not None:
            layer = noted
        else:
            layer = next((of_tensor[name] for name in node.input if name in of_tensor), "")
        of_tensor.update(dict.fromkeys(node.output, layer))
        found.append(layer)
    return found


def _noted_layer(node: NodeProto) -> str | None:
    """The innermost module that torch's exporter noted; None where it noted none."""
    note = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), None)
    if note is None:
        return None
    scopes = ast.literal_eval(note)
    return _inside(str(scopes[-2])) if len(scopes) > 1 else ""


def _inside(layer: str) -> str:
    return "" if layer == _WRAPPER else layer.removeprefix(f"{_WRAPPER}.")


def _is_parameter(name: str) -> bool:
    return name.endswith((_WEIGHT, _BIAS, _FOLDED_BIAS))


def _parameter_name(name: str) -> str:
    name = _inside(name)
    return f"{name.removesuffix(_FOLDED_BIAS)}{_BIAS}" if name.endswith(_FOLDED_BIAS) else name


def _name_constants(node: NodeProto, names: _Names) -> None:
    """Names the constants that this node is the first to read as ONNX names its inputs: ``stem.2/Clip.min``.

    Tensors that nodes before it gave have their names already.
    """
    if not onnx.defs.has(node.op_type, node.domain):
        return
    formal = onnx.defs.get_schema(node.op_type, node.domain).inputs
    for place, name in enumerate(node.input):
        names.give(name, f"{node.name}.{formal[min(place, len(formal) - 1)].name}")


def _rename(graph: GraphProto, names: _Names) -> None:
    for tensor in graph.initializer:
        tensor.name = names.new.get(tensor.name, tensor.name)
    for value in graph.value_info:
        value.name = names.new.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.new.get(name, name) for name in node.input]
        node.output[:] = [names.new[name] for name in node.output]
