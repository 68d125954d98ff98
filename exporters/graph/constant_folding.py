"""Computes what depends on no image once, when a graph is read, so that every later step finds plain initializers."""

from __future__ import annotations

import onnx
from onnx import ModelProto, numpy_helper

from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu
from exporters.graph.passes import remove_dead_nodes

__all__ = ["fold_constants"]

_NOT_CONSTANT = ("RandomNormal", "RandomUniform", "Bernoulli", "Multinomial")
_MAX_GROWTH = 64 << 20  # bytes; a small constant may be expanded to gigabytes


def fold_constants(model: ModelProto) -> bool:
    """Replaces nodes that read constants alone by initializers with their values.

    Weights behind a Transpose, Constant nodes and the reshape of a constant become initializers. onnxruntime computes
    the values. A graph whose constants would grow by more than 64 MB stays as it is.

    Args:
        model: a flat graph that :func:`edgecnn.runtime.admission.admission.admit` let in; changed in place.

    Returns:
        Whether the graph changed.
    """
    graph = model.graph
    constants = {t.name for t in graph.initializer}
    folded = []
    for node in graph.node:
        if node.op_type not in _NOT_CONSTANT and all(not name or name in constants for name in node.input):
            folded.append(node)
            constants.update(node.output)
    if not folded:
        return False
    made = {name for node in folded for name in node.output if name}
    read = {name for node in graph.node if node not in folded for name in node.input}
    read |= {value.name for value in graph.output}
    wanted = sorted(made & read)
    values = _compute(model, folded, wanted)
    if values is None:
        return False
    for node in folded:
        graph.node.remove(node)
    graph.initializer.extend(values)
    remove_dead_nodes(model)
    return True


def _compute(model: ModelProto, nodes: list[onnx.NodeProto], wanted: list[str]) -> list[onnx.TensorProto] | None:
    """The values of tensors that depend on constants alone; None where they are too large."""
    part = ModelProto()
    part.CopyFrom(model)
    del part.graph.node[:], part.graph.input[:], part.graph.output[:], part.graph.value_info[:]
    part.graph.node.extend(nodes)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)  # onnxruntime infers the types
    remove_dead_nodes(part)
    if not wanted:
        return []
    found = open_on_cpu(part.SerializeToString(), new_options(severity=SILENT)).run(wanted, {})
    if sum(value.nbytes for value in found) > model.ByteSize() + _MAX_GROWTH:
        return None
    return [numpy_helper.from_array(value, name) for name, value in zip(wanted, found, strict=True)]
