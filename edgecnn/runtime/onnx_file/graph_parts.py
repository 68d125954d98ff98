"""Parts of a graph as models of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from edgecnn.runtime.onnx_file.proto import ATTRIBUTE_INT, FLOAT, new_model

__all__ = ["add_float_output", "needed_nodes", "part_of", "tensor_info"]


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
        output: name of the tensor that it gives, as float.
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
    add_float_output(part.graph, output, "part_output")
    content: bytes = part.SerializeToString()
    return content


def add_float_output(graph: Any, tensor: str, name: str) -> None:
    """Gives a tensor of any type as one more output of type float."""
    cast = graph.node.add(op_type="Cast", name=f"{name}_cast", input=[tensor], output=[name])
    cast.attribute.add(name="to", i=FLOAT, type=ATTRIBUTE_INT)
    graph.output.add(name=name).type.tensor_type.elem_type = FLOAT


def tensor_info(model: Any, name: str, shape: Sequence[int | None]) -> Any:
    """``ValueInfo`` of a tensor: its type as the graph tells it, else float; None in ``shape``: any size."""
    known = next((v for v in (*model.graph.output, *model.graph.value_info) if v.name == name), None)
    made = new_model().graph.value_info.add(name=name)
    tensor = made.type.tensor_type
    tensor.elem_type = FLOAT if known is None else known.type.tensor_type.elem_type or FLOAT
    for i, side in enumerate(shape):
        if side is None:
            tensor.shape.dim.add(dim_param=f"side_{i}")
        else:
            tensor.shape.dim.add(dim_value=side)
    return made
