"""What is in a model file: its manifest, its operators, what runs in int8 and what in float, how much work a picture is."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import ManifestError
from edgecnn.manifest import MANIFEST_KEY, Manifest
from edgecnn.runtime.model_file import read_model_file
from edgecnn.runtime.onnx_proto import parse_model

__all__ = ["Inspection", "inspect_model"]

_COMPUTING = ("Conv", "Gemm", "MatMul", "ConvTranspose")
_INTEGER = ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger")
_PASSING = ("DequantizeLinear", "QuantizeLinear", "Transpose", "Reshape", "Identity", "Cast", "Flatten")  # weights may come through these


@dataclass(frozen=True)
class Inspection:
    """What ``edgecnn inspect`` reports; keys as in the contract."""

    manifest: dict[str, Any]
    sha256: str
    size_bytes: int
    opset: int
    operators: dict[str, int]  # how many nodes of each type
    quantized_nodes: tuple[str, ...]  # convolutions and matrix products between 8-bit tensors
    float_nodes: tuple[str, ...]  # the others
    parameters: int  # weights and biases of those nodes
    macs: int | None  # multiply-accumulates of one picture; None where the file lacks a shape


def inspect_model(path: str | Path) -> Inspection:
    """Inspects a model file without running it.

    Raises:
        InputNotFoundError, ModelError, ManifestError: it cannot be used.
    """
    file = read_model_file(path)
    model = parse_model(file.content, file.path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if MANIFEST_KEY not in metadata:
        raise ManifestError(f"{path}: an ONNX file without EdgeCNN's manifest; export it with `edgecnn export`")
    try:
        manifest = Manifest.from_json(metadata[MANIFEST_KEY])
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    graph = _Graph(model.graph)
    computing = [node for node in graph.nodes if node.op_type in (*_COMPUTING, *_INTEGER)]
    quantized = [node for node in computing if graph.is_quantized(node)]
    return Inspection(
        manifest=json.loads(manifest.to_json()),
        sha256=file.sha256,
        size_bytes=len(file.content),
        opset=max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0),
        operators=dict(Counter(node.op_type for node in graph.nodes)),
        quantized_nodes=tuple(node.name for node in quantized),
        float_nodes=tuple(node.name for node in computing if node not in quantized),
        parameters=sum(math.prod(graph.constants[name]) for name in {name for node in computing for name in graph.weights_of(node)}),
        macs=graph.macs(computing),
    )


class _Graph:
    """A parsed graph, with what makes each tensor and how large it is."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self.made = {name: node for node in self.nodes for name in node.output}
        self.constants: dict[str, tuple[int, ...]] = {t.name: tuple(t.dims) for t in graph.initializer}
        for node in self.nodes:
            for attribute in node.attribute if node.op_type == "Constant" else ():
                self.constants[node.output[0]] = tuple(attribute.t.dims)
        self.shapes: dict[str, tuple[int | None, ...]] = {
            value.name: tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.input, *graph.output)
        } | self.constants

    def is_quantized(self, node: Any) -> bool:
        if node.op_type in _INTEGER:
            return True
        return all(name in self.made and self.made[name].op_type == "DequantizeLinear" for name in node.input[:2])

    def weights_of(self, node: Any) -> list[str]:
        """The constants behind a node's weight and bias."""
        inputs = (node.input[3], *node.input[8:9]) if node.op_type == "QLinearConv" else node.input[1:3]
        return [name for name in map(self._origin, inputs) if name in self.constants]

    def _origin(self, name: str) -> str:
        while name in self.made and name not in self.constants and self.made[name].op_type in _PASSING:
            name = self.made[name].input[0]
        return name

    def macs(self, computing: list[Any]) -> int | None:
        """Each weight is used once for every position of the output, each channel of the output counted in the weight itself."""
        total = 0
        for node in computing:
            weights = self.weights_of(node)
            output = self.shapes.get(node.output[0]) or self._output_through_pair(node)
            if not weights or not output:
                return None
            positions = output[2:]
            if any(side is None for side in positions):
                return None
            total += math.prod(self.constants[weights[0]]) * math.prod(side or 1 for side in positions)
        return total

    def _output_through_pair(self, node: Any) -> tuple[int | None, ...] | None:
        reader = next((n for n in self.nodes if node.output[0] in n.input), None)
        return self.shapes.get(reader.output[0]) if reader is not None else None
