"""The classifier in a model's graph: reads it as a linear head, and puts another one in its place.

The nodes up to the output ``embedding`` stay as they are, byte for byte; all that follows is written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelError
from edgecnn.features.linear_head import LinearHead
from edgecnn.features.subspace import TINY, FeatureSubspace
from edgecnn.runtime.onnx_file.graph_parts import needed_nodes, part_of
from edgecnn.runtime.onnx_file.linear_part import read_linear_part
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile

__all__ = ["NewHead", "read_head", "with_head"]

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType of onnx.proto
_ATTRIBUTE_INT = 2  # AttributeProto.AttributeType
_EMBEDDING, _PROBABILITIES, _UNKNOWN = "embedding", "probabilities", "unknown_score"
_PREFIX = "taught_"


@dataclass(frozen=True, eq=False)
class NewHead:
    """What is written after the embedding."""

    head: LinearHead
    temperature: float
    subspace: FeatureSubspace | None  # where the graph gives an unknown score


def read_head(file: ModelFile, width: int) -> LinearHead:
    """Reads the classifier of a model as a linear head: its logits are those before the softmax.

    It is computed from what the end of the graph answers to unit vectors, so weights may be stored in any form.

    Args:
        file: the model file.
        width: number of features of its embedding.

    Raises:
        ModelError: the classifier is not a linear one.
    """
    model = parse_model(file.content, file.path, with_data=True)
    logits = _before_softmax(model, file)
    embedding = next(value for value in model.graph.output if value.name == _EMBEDDING)
    head = read_linear_part(part_of(model, embedding, logits), width)
    if head is None:
        raise _not_linear(file)
    return head


def with_head(file: ModelFile, new: NewHead, metadata: Sequence[tuple[str, str]]) -> bytes:
    """The bytes of a model with another classifier and other metadata.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    model = parse_model(file.content, file.path, with_data=True)
    graph = model.graph
    _keep(graph, needed_nodes(graph.node, _EMBEDDING))
    outputs = {value.name: value for value in graph.output}
    embedding = outputs[_EMBEDDING]
    del graph.output[:]
    _add_classifier(graph, new)
    _add_output(graph, _PROBABILITIES, embedding, len(new.head.bias))
    graph.output.append(embedding)
    if new.subspace is not None:
        _add_unknown_score(graph, new.subspace)
        _add_output(graph, _UNKNOWN, embedding, None)
    del model.metadata_props[:]
    for key, value in metadata:
        model.metadata_props.add(key=key, value=value)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _before_softmax(model: Any, file: ModelFile) -> str:
    last = next((node for node in model.graph.node if _PROBABILITIES in node.output), None)
    if last is None or last.op_type != "Softmax":
        raise _not_linear(file)
    name: str = last.input[0]
    return name


def _not_linear(file: ModelFile) -> ModelError:
    return ModelError(
        f"{file.path}: its classifier is not a linear layer with a softmax, so no class can be added to it; teach it "
        "all classes anew with --replace"
    )


def _keep(graph: Any, nodes: list[Any]) -> None:
    """Leaves a graph with these nodes alone, and what they use."""
    used = {name for node in nodes for name in (*node.input, *node.output)}
    kept = [node.SerializeToString() for node in nodes]
    del graph.node[:]
    for content in kept:
        graph.node.add().ParseFromString(content)
    for field in (graph.initializer, graph.value_info):
        for i in reversed(range(len(field))):
            if field[i].name not in used:
                del field[i]


def _add_classifier(graph: Any, new: NewHead) -> None:
    weight = _constant(graph, "weight", new.head.weight)
    bias = _constant(graph, "bias", new.head.bias)
    logits = f"{_PREFIX}logits"
    _node(graph, "Gemm", [_EMBEDDING, weight, bias], logits, transB=1)
    if new.temperature != 1.0:
        scaled = f"{_PREFIX}scaled"
        _node(graph, "Div", [logits, _constant(graph, "temperature", np.float32(new.temperature))], scaled)
        logits = scaled
    _node(graph, "Softmax", [logits], _PROBABILITIES, axis=1)


def _add_unknown_score(graph: Any, subspace: FeatureSubspace) -> None:
    """:meth:`FeatureSubspace.distances` as nodes."""
    tiny, axis = _constant(graph, "tiny", np.float32(TINY)), _constant(graph, "axis", np.array([1], np.int64))

    def squares(of: str, name: str, keep: int) -> str:
        _node(graph, "Mul", [of, of], f"{_PREFIX}{name}_squared")
        _node(graph, "ReduceSum", [f"{_PREFIX}{name}_squared", axis], f"{_PREFIX}{name}_sum", keepdims=keep)
        return f"{_PREFIX}{name}_sum"

    def root(of: str, name: str, output: str) -> str:
        _node(graph, "Add", [of, tiny], f"{_PREFIX}{name}_plus")
        _node(graph, "Sqrt", [f"{_PREFIX}{name}_plus"], output)
        return output

    length = root(squares(_EMBEDDING, "embedding", 1), "embedding", f"{_PREFIX}length")
    _node(graph, "Div", [_EMBEDDING, length], f"{_PREFIX}unit")
    _node(graph, "Sub", [f"{_PREFIX}unit", _constant(graph, "mean", subspace.mean)], f"{_PREFIX}centred")
    _node(graph, "MatMul", [f"{_PREFIX}centred", _constant(graph, "basis", subspace.basis)], f"{_PREFIX}inside")
    whole, inside = squares(f"{_PREFIX}centred", "centred", 0), squares(f"{_PREFIX}inside", "inside", 0)
    _node(graph, "Sub", [whole, inside], f"{_PREFIX}outside")
    _node(graph, "Relu", [f"{_PREFIX}outside"], f"{_PREFIX}outside_positive")
    root(f"{_PREFIX}outside_positive", "outside", _UNKNOWN)


def _node(graph: Any, kind: str, inputs: Sequence[str], output: str, **attributes: int) -> None:
    node = graph.node.add(op_type=kind, name=f"{_PREFIX}{kind}_{len(graph.node)}", input=inputs, output=[output])
    for name, value in attributes.items():
        node.attribute.add(name=name, i=value, type=_ATTRIBUTE_INT)


def _constant(graph: Any, name: str, values: NDArray[Any] | np.floating) -> str:
    array = np.asarray(values)
    kind, data_type = (np.dtype("<i8"), _INT64) if array.dtype.kind == "i" else (np.dtype("<f4"), _FLOAT)
    full = f"{_PREFIX}{name}"
    graph.initializer.add(name=full, dims=array.shape, data_type=data_type, raw_data=array.astype(kind).tobytes())
    return full


def _add_output(graph: Any, name: str, embedding: Any, width: int | None) -> None:
    """An output with the batch dimension of the embedding."""
    tensor = graph.output.add(name=name).type.tensor_type
    tensor.elem_type = _FLOAT
    tensor.shape.dim.append(embedding.type.tensor_type.shape.dim[0])
    if width is not None:
        tensor.shape.dim.add(dim_value=width)
