"""Inspects a model file: manifest, operators, int8 and float nodes, parameters, and multiply-accumulates per image."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from edgecnn.errors import ManifestError, ModelError
from edgecnn.manifest import MANIFEST_KEY, Manifest
from edgecnn.runtime.admission.rules import RefusedError, check_counts
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.onnx_file.tensor_info import TensorInfo, tensor_infos
from edgecnn.runtime.onnx_file.weight_bits import weight_bits
from edgecnn.runtime.session.model_file import read_model_file

__all__ = ["Inspection", "inspect_model"]

Shape: TypeAlias = "tuple[int | None, ...]"
"""A shape; None is a dimension that the file does not fix."""

# Where each kind of convolution and matrix product takes its weight, then its bias
_FLOAT = {"Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (1, 2), "MatMul": (1,)}
_INTEGER = {"ConvInteger": (1,), "MatMulInteger": (1,), "QLinearConv": (3, 8), "QLinearMatMul": (3,), "QGemm": (3, 6)}
_RECURRENT = {"GRU": (1, 2, 3), "LSTM": (1, 2, 3)}  # weights of the input, of the state, and biases
_COMPUTING = _FLOAT | _INTEGER | _RECURRENT
_NORMALIZING = dict.fromkeys(
    ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"), (1, 2)
)
_WEIGHTED = _COMPUTING | _NORMALIZING | {"PRelu": (1,), "MatMul": (0, 1)}  # either side of a product may be a weight

# To a weight
_PASSING = (
    "DequantizeLinear",
    "QuantizeLinear",
    "Transpose",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Cast",
)
_SAME_SHAPE = (
    "QuantizeLinear",
    "DequantizeLinear",
    "Relu",
    "Clip",
    "LeakyRelu",
    "Sigmoid",
    "HardSwish",
    "HardSigmoid",
    "BatchNormalization",
)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The report of ``edgecnn inspect``; field names are the JSON keys."""

    manifest: dict[str, Any]
    sha256: str
    size_bytes: int
    opset: int | None  # None: the file names none of ONNX's own
    operators: dict[str, int]  # how many nodes of each type
    quantized_nodes: tuple[str, ...]  # convolutions and matrix products between 8-bit tensors
    float_nodes: tuple[str, ...]  # the others
    weight_bits: int | None  # that the largest int8 weight needs, 7 or 8; None without int8 weights
    parameters: int  # weights and biases; no scales, zero points or shapes
    macs: int | None  # multiply-accumulates of one image; None where the file lacks a shape
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def inspect_model(path: str | Path) -> Inspection:
    """Inspects a model file without running it.

    Raises:
        InputNotFoundError: the file does not exist.
        ModelError, ManifestError: the file is not a model that EdgeCNN can read.
    """
    file = read_model_file(path)
    model = parse_model(file.content, file.path)
    try:
        check_counts(model)
    except RefusedError as error:
        raise ModelError(
            f"{file.path}: not inspected because {error}; give a .onnx file that `edgecnn export` wrote"
        ) from error
    _check_nodes(file.path, model.graph.node)
    graph = _Graph(model.graph)
    computing = [node for node in graph.nodes if node.op_type in _COMPUTING]
    quantized = [graph.is_quantized(node) for node in computing]
    called = [node for function in model.functions for node in function.node]
    return Inspection(
        manifest=_manifest(file.path, model),
        sha256=file.sha256,
        size_bytes=len(file.content),
        opset=max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=None),
        operators=dict(Counter(node.op_type for node in (*graph.nodes, *called))),
        quantized_nodes=tuple(_name(node) for node, is_int8 in zip(computing, quantized, strict=True) if is_int8),
        float_nodes=tuple(_name(node) for node, is_int8 in zip(computing, quantized, strict=True) if not is_int8),
        weight_bits=weight_bits(file.content, file.path),
        parameters=graph.parameters(),
        macs=None
        if called
        else _sum(graph.macs(node) for node in computing),  # what a function computes has no shapes in the file
        inputs=tensor_infos(model.graph.input),
        outputs=tensor_infos(model.graph.output),
    )


def count_macs(model: Any) -> int | None:
    """Multiply-accumulates of one image, of a parsed model; None if the file lacks a shape, or its graph is damaged."""
    try:
        _check_nodes(Path(), model.graph.node)
        graph = _Graph(model.graph)
        return _sum(graph.macs(node) for node in graph.nodes if node.op_type in _COMPUTING)
    except (ModelError, LookupError, ValueError, TypeError):
        return None


def _manifest(path: Path, model: Any) -> dict[str, Any]:
    """Returns the manifest as stored in the file, with unknown keys, after validating it."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if MANIFEST_KEY not in metadata:
        raise ManifestError(
            f"{path}: an ONNX file without EdgeCNN's manifest; `edgecnn export` writes it, `edgecnn adopt` adds it"
        )
    try:
        Manifest.from_json(metadata[MANIFEST_KEY])
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    found: dict[str, Any] = json.loads(metadata[MANIFEST_KEY])
    return found


def _check_nodes(path: Path, nodes: Iterable[Any]) -> None:
    for node in nodes:
        least = 2 if node.op_type in _COMPUTING else int(node.op_type in _PASSING)
        if len(node.input) < least or not node.output or (node.op_type == "Constant" and not node.attribute):
            raise ModelError(
                f"{path}: the graph is invalid: the {node.op_type} node '{node.name}' lacks an input or an output; "
                "export it again"
            )


def _name(node: Any) -> str:
    """Returns the name of a node, or of its output if it has no name."""
    return str(node.name or node.output[0])


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _product(shape: Shape) -> int | None:
    return math.prod(side for side in shape if side is not None) if None not in shape else None


class _Graph:
    """A parsed graph, with the producer and the shape of each tensor."""

    def __init__(self, graph: Any) -> None:
        self.nodes: list[Any] = list(graph.node)
        self._made = {name: node for node in self.nodes for name in node.output if name}
        self._reader = {name: node for node in reversed(self.nodes) for name in node.input}  # the first one
        self._constants: dict[str, tuple[int, ...]] = {t.name: tuple(t.dims) for t in graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = tuple(node.attribute[0].t.dims)
        self._shapes: dict[str, Shape] = {
            value.name: tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.input, *graph.output)
        }

    def is_quantized(self, node: Any) -> bool:
        """Whether input and weight are 8-bit.

        Either the operator is an int8 operator, or DequantizeLinear makes both, which onnxruntime fuses.
        """
        return node.op_type in _INTEGER or all(self._maker(name) == "DequantizeLinear" for name in node.input[:2])

    def parameters(self) -> int:
        """Number of elements of all weights and biases. A shared tensor counts once."""
        names = {name for node in self.nodes for name in self._weights(node)}
        return sum(math.prod(self._constants[name]) for name in names)

    def macs(self, node: Any) -> int | None:
        """Multiply-accumulates of a node for one image. The first dimension is the batch and counts as 1."""
        if node.op_type in _RECURRENT:  # a step
            weights = self._weights(node, _RECURRENT[node.op_type][:2])
            return sum(math.prod(self._constants[name]) for name in weights)
        given, taken = self._output_shape(node), self._shape_of(node.input[0])
        weight = next(self._weights(node, _COMPUTING[node.op_type][:1]), None)
        if weight is None:  # each output is a sum as long as a row of the first tensor, which may be the weight
            return _product((*given[1:], taken[-1])) if node.op_type == "MatMul" and given and taken else None
        positions = taken if node.op_type == "ConvTranspose" else given
        if not positions:
            return None
        # Each weight is used once a position: a pixel of a convolution, a row of a matrix product
        count = _product(positions[2:] if "Conv" in node.op_type else positions[1:-1])
        return None if count is None else count * math.prod(self._constants[weight])

    def _shape_of(self, name: str) -> Shape | None:
        return self._shapes.get(name) or self._constants.get(name)

    def _weights(self, node: Any, where: tuple[int, ...] = ()) -> Iterator[str]:
        """Yields the names of the constants for the weight and the bias of a node."""
        if node.op_type == "Add" and any(
            self._maker(self._origin(name)) in ("MatMul", "MatMulInteger", "QLinearMatMul") for name in node.input
        ):
            where = (0, 1)  # the bias of a matrix product stands in a node of its own
        for i in where or _WEIGHTED.get(node.op_type, ()):
            if i < len(node.input) and (name := self._origin(node.input[i])) in self._constants:
                yield name

    def _maker(self, name: str) -> str | None:
        return self._made[name].op_type if name in self._made else None

    def _origin(self, name: str) -> str:
        """Returns the tensor before dequantization, reshaping and transposing."""
        seen = set()
        while name not in self._constants and self._maker(name) in _PASSING and name not in seen:
            seen.add(name)  # a damaged file may hold a circle
            name = self._made[name].input[0]
        return name

    def _output_shape(self, node: Any) -> Shape | None:
        """Returns the output shape from the file, or from a following node that keeps the shape.

        Quantizers drop the shape between a node and its QuantizeLinear.
        """
        name, seen = node.output[0], set()
        while not self._shapes.get(name) and name in self._reader and name not in seen:
            seen.add(name)
            if self._reader[name].op_type not in _SAME_SHAPE:
                return None
            name = self._reader[name].output[0]
        return self._shapes.get(name)
