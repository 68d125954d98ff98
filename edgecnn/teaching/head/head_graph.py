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
from edgecnn.features.linear_head import LinearHead, log_softmax
from edgecnn.features.subspace import TINY, FeatureSubspace
from edgecnn.runtime.onnx_file.graph_parts import needed_nodes, part_of, tensor_info
from edgecnn.runtime.onnx_file.linear_part import read_linear_part
from edgecnn.runtime.onnx_file.proto import ATTRIBUTE_INT, ATTRIBUTE_INTS, FLOAT, INT64, parse_model
from edgecnn.runtime.session.model_file import ModelFile

__all__ = ["NewHead", "check_head", "read_head", "with_head"]

_AXES_AS_INPUT = 13  # the opset from which ReduceSum takes its axes as an input
_EMBEDDING, _PROBABILITIES, _UNKNOWN = "embedding", "probabilities", "unknown_score"
_MAX_DIFFERENCE = 1e-2  # of a probability, between a linear head and the graph that it was read from


@dataclass(frozen=True, eq=False)
class NewHead:
    """What is written after the embedding."""

    head: LinearHead
    temperature: float
    subspace: FeatureSubspace | None  # where the graph gives an unknown score


def read_head(file: ModelFile, width: int) -> LinearHead:
    """Reads the classifier of a model as a linear head: its logits are those before the softmax.

    It is computed from what the end of the graph answers to unit vectors, so weights may be stored in any form, and
    checked on four random ones. :func:`check_head` checks it on the features of images.

    Args:
        file: the model file.
        width: number of features of its embedding.

    Raises:
        ModelError: the classifier is not a linear one.
    """
    model = parse_model(file.content, file.path, with_data=True)
    part = part_of(model, tensor_info(model, _EMBEDDING, (None, width)), _before_softmax(model, file))
    try:
        head = read_linear_part(part, width)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise _not_linear(file) from error
    if head is None or head.weight.shape[1] != width:
        raise _not_linear(file)
    return head


def check_head(
    file: ModelFile, head: LinearHead, features: NDArray[np.floating], probabilities: NDArray[np.floating]
) -> None:
    """That a head gives the answers of the model that it was read from.

    Args:
        file: the model file.
        head: its classifier.
        features: of images, ``[N, D]``.
        probabilities: the model's answers to the same images, ``[N, C]``.

    Raises:
        ModelError: it gives others.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # NaN is a difference
        found = np.exp(log_softmax(head.logits(features)))
    if not float(np.abs(found - probabilities).max()) <= _MAX_DIFFERENCE:
        raise _not_linear(file)


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
    opset = max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=_AXES_AS_INPUT)
    writer = _NodeWriter(graph, _free_prefix(graph), opset)
    _add_classifier(writer, new)
    _add_output(graph, _PROBABILITIES, embedding, len(new.head.bias))
    graph.output.append(embedding)
    if new.subspace is not None:
        _add_unknown_score(writer, new.subspace)
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
        f"{file.path}: its classifier is not a linear layer with a softmax on its output '{_EMBEDDING}', so no class "
        "can be added to it; teach it all classes anew with --replace"
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


@dataclass(frozen=True)
class _NodeWriter:
    """Adds nodes and constants to a graph, whose names begin with a prefix that the graph does not use."""

    graph: Any
    prefix: str
    opset: int

    def constant(self, name: str, values: NDArray[Any] | np.floating) -> str:
        array = np.asarray(values)
        kind, data_type = (np.dtype("<i8"), INT64) if array.dtype.kind == "i" else (np.dtype("<f4"), FLOAT)
        full = self.prefix + name
        raw = array.astype(kind).tobytes()
        self.graph.initializer.add(name=full, dims=array.shape, data_type=data_type, raw_data=raw)
        return full

    def node(self, kind: str, inputs: Sequence[str], result: str, **attributes: int | tuple[int, ...]) -> str:
        """``result``: an output of the graph, or a name that gets the prefix. Returns the whole name."""
        full = result if result in {_PROBABILITIES, _UNKNOWN} else self.prefix + result
        name = f"{self.prefix}{kind}_{len(self.graph.node)}"
        node = self.graph.node.add(op_type=kind, name=name, input=inputs, output=[full])
        for key, value in attributes.items():
            if isinstance(value, int):
                node.attribute.add(name=key, i=value, type=ATTRIBUTE_INT)
            else:
                node.attribute.add(name=key, ints=value, type=ATTRIBUTE_INTS)
        return full

    def sum_of_squares(self, of: str, result: str, *, keepdims: int) -> str:
        """Over the features."""
        squares = self.node("Mul", [of, of], f"{result}_squares")
        if self.opset < _AXES_AS_INPUT:
            return self.node("ReduceSum", [squares], result, axes=(1,), keepdims=keepdims)
        axes = self.constant(f"{result}_axes", np.array([1], np.int64))
        return self.node("ReduceSum", [squares, axes], result, keepdims=keepdims)


def _free_prefix(graph: Any) -> str:
    """How no name in a graph begins."""
    names = {t.name for t in (*graph.initializer, *graph.input, *graph.node)}
    names.update(name for node in graph.node for name in (*node.input, *node.output))
    prefix, number = "taught_", 1
    while any(name.startswith(prefix) for name in names):
        number += 1
        prefix = f"taught{number}_"
    return prefix


def _add_classifier(writer: _NodeWriter, new: NewHead) -> None:
    weight = writer.constant("weight", new.head.weight)
    bias = writer.constant("bias", new.head.bias)
    logits = writer.node("Gemm", [_EMBEDDING, weight, bias], "logits", transB=1)
    if new.temperature != 1.0:
        temperature = writer.constant("temperature", np.float32(new.temperature))
        logits = writer.node("Div", [logits, temperature], "scaled")
    writer.node("Softmax", [logits], _PROBABILITIES, axis=1)


def _add_unknown_score(writer: _NodeWriter, subspace: FeatureSubspace) -> None:
    """:meth:`FeatureSubspace.distances` as nodes."""
    node, tiny = writer.node, writer.constant("tiny", np.float32(TINY))
    squared_length = node("Add", [writer.sum_of_squares(_EMBEDDING, "length", keepdims=1), tiny], "squared_length")
    unit = node("Div", [_EMBEDDING, node("Sqrt", [squared_length], "root")], "unit")
    centred = node("Sub", [unit, writer.constant("mean", subspace.mean)], "centred")
    inside = node("MatMul", [centred, writer.constant("basis", subspace.basis)], "inside")
    squares = [writer.sum_of_squares(part, f"{part}_sum", keepdims=0) for part in (centred, inside)]
    outside = node("Relu", [node("Sub", squares, "outside")], "outside_positive")
    node("Sqrt", [node("Add", [outside, tiny], "outside_plus")], _UNKNOWN)


def _add_output(graph: Any, name: str, embedding: Any, width: int | None) -> None:
    """An output with the batch dimension of the embedding."""
    tensor = graph.output.add(name=name).type.tensor_type
    tensor.elem_type = FLOAT
    declared = embedding.type.tensor_type.shape.dim
    if declared:
        tensor.shape.dim.append(declared[0])
    else:
        tensor.shape.dim.add(dim_param="batch")
    if width is not None:
        tensor.shape.dim.add(dim_value=width)
