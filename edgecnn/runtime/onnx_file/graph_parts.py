"""Parts of a graph as models of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from edgecnn.runtime.onnx_file.proto import new_model

__all__ = ["FLOAT", "needed_nodes", "part_of"]

FLOAT = 1  # TensorProto.DataType of onnx.proto


def needed_nodes(nodes: Iterable[Any], output: str, known: Collection[str] = ()) -> list[Any]:
    """The nodes that a tensor needs, in their order; what computes the tensors in ``known`` is left out."""
    nodes = list(nodes)
    wanted, needed = {output}, set()
    for i in reversed(range(len(nodes))):  # a graph is in the order of its computation
        if wanted & set(nodes[i].output) - set(known):
            needed.add(i)
            wanted.update(nodes[i].input)
    return [nodes[i] for i in sorted(needed)]


def part_of(model: Any, start: Any, output: str) -> bytes:
    """The graph from one tensor to another as a model.

    Args:
        model: the whole one, read with its data.
        start: ``ValueInfo`` of the tensor that the part takes.
        output: name of the tensor that it gives, of type float.
    """
    part = new_model()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    nodes = needed_nodes(model.graph.node, output, {start.name})
    part.graph.name = "part"
    part.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    part.graph.initializer.extend(t for t in model.graph.initializer if t.name in used)
    part.graph.input.append(start)
    part.graph.output.add(name=output).type.tensor_type.elem_type = FLOAT
    content: bytes = part.SerializeToString()
    return content
