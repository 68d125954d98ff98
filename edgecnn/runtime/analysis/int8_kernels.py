"""Reports which nodes of an int8 file onnxruntime runs in int8, which it runs in float, and why.

A QDQ file marks what may run in int8. onnxruntime decides at load time, without a message, what does. This module
writes out the optimized graph and reads it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import ModelError
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu

__all__ = ["Fault", "Fusion", "check_fusion"]

_FLOAT = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "ConvTranspose")
_COMPUTING = ("Conv", "Gemm", "MatMul", "ConvTranspose")
_STRAY = ("DequantizeLinear", "QuantizeLinear", "Clip", "Relu")
_ACTIVATIONS = ("Relu", "Clip")


@dataclass(frozen=True)
class Fault:
    """A node that does not run as intended, and the reason."""

    node: str
    operator: str
    why: str


@dataclass(frozen=True)
class Fusion:
    """How onnxruntime runs the file on the CPU provider."""

    fused: tuple[str, ...]  # convolutions and matrix products that run in int8
    broken: tuple[Fault, ...]  # that were to run in int8 and do not, or were to stay float and do not
    stray: tuple[Fault, ...]  # conversions and activations left standing between int8 nodes
    slow: tuple[Fault, ...]  # int8 convolutions that miss onnxruntime's quickest kernels

    @property
    def whole(self) -> bool:
        """Whether all nodes run in the intended precision. Slow kernels do not count as faults."""
        return not self.broken and not self.stray


def check_fusion(path: str | Path) -> Fusion:
    """Loads a model file with all CPU optimizations of onnxruntime, and reads the optimized graph.

    Raises:
        InputNotFoundError: the file does not exist.
        ModelError: the file cannot be read, or onnxruntime cannot load it.
    """
    file = read_model_file(path)
    admit(file)
    written = _Nodes(parse_model(file.content, file.path).graph)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        optimized_path = Path(folder, "optimized.onnx")
        options = new_options(severity=SILENT, content=file.content)
        options.optimized_model_filepath = str(optimized_path)  # it warns that such a file is for this machine alone
        try:
            open_on_cpu(file.content, options)
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ModelError(f"{path}: onnxruntime cannot load it: {ort_reason(error)}; export it again") from error
        loaded = _Nodes(parse_model(optimized_path.read_bytes(), optimized_path).graph)
    meant = [n for n in written.nodes if n.op_type in _COMPUTING]
    int8 = {_origin(n): n for n in loaded.nodes if _runs_in_int8(n)}
    return Fusion(
        fused=tuple(_name(n) for n in meant if _name(n) in int8),
        broken=tuple(fault for n in meant if (fault := _broken(n, written, int8, loaded)) is not None),
        stray=tuple(_unquantized_nodes(loaded)),
        slow=tuple(
            fault for n in loaded.nodes if n.op_type == "QLinearConv" and (fault := _slow(n, loaded)) is not None
        ),
    )


class _Nodes:
    """The nodes of a graph, with producer and consumers of each tensor."""

    def __init__(self, graph: Any) -> None:
        self.nodes: list[Any] = list(graph.node)
        self.made: Mapping[str, Any] = {name: node for node in self.nodes for name in node.output if name}
        self.read: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.read.setdefault(name, []).append(node)
        self.dims: Mapping[str, tuple[int, ...]] = {t.name: tuple(t.dims) for t in graph.initializer}
        self.outputs = {o.name for o in graph.output}

    def readers(self, node: Any) -> list[Any]:
        return [reader for name in node.output for reader in self.read.get(name, [])]

    def makers(self, node: Any) -> list[Any]:
        return [self.made[name] for name in node.input if name in self.made]


def _name(node: Any) -> str:
    return str(node.name or node.output[0])


def _origin(node: Any) -> str:
    """Returns the name of the node in the original file: onnxruntime appends to it when it fuses nodes."""
    return _name(node).split("_token_")[0]


def _runs_in_int8(node: Any) -> bool:
    return str(node.op_type).startswith(("QLinear", "QGemm")) or node.op_type in ("ConvInteger", "MatMulInteger")


def _broken(node: Any, written: _Nodes, int8: Mapping[str, Any], loaded: _Nodes) -> Fault | None:
    factors = [written.made.get(name) for name in node.input[:2]]
    meant_int8 = all(f is not None and f.op_type == "DequantizeLinear" for f in factors)
    runs_int8 = _name(node) in int8
    if meant_int8 == runs_int8 or (meant_int8 and _name(node) not in {_origin(n) for n in loaded.nodes}):
        return None
    if runs_int8:
        return Fault(
            _name(node),
            node.op_type,
            "should stay in float, but onnxruntime quantizes its weights at load time, with one scale for all channels",
        )
    return Fault(_name(node), node.op_type, _why_float(node, written))


def _why_float(node: Any, written: _Nodes) -> str:
    """Returns why a node runs in float, by the rules of onnxruntime's ``qdq_selectors.cc``."""
    readers = written.readers(node)
    if any(name in written.outputs for name in node.output):
        return "its output is a graph output; onnxruntime fuses only a node whose output goes into one QuantizeLinear"
    if len(readers) == 1 and readers[0].op_type in _ACTIVATIONS:
        return (
            f"the {readers[0].op_type} after it is not fused: the QuantizeLinear after it represents values outside "
            "the activation's range, or is missing"
        )
    others = sorted({r.op_type for r in readers if r.op_type != "QuantizeLinear"})
    if others:
        return (
            f"its output goes to {', '.join(others)} in float; onnxruntime fuses only a node whose output "
            "goes into one QuantizeLinear"
        )
    if len(readers) != 1:
        return (
            f"its output goes to {len(readers)} nodes; onnxruntime fuses only a node whose output goes into "
            "one QuantizeLinear"
        )
    return (
        "onnxruntime has no int8 kernel for its types: activations in and out must have the same type, weights int8 "
        "with zero points of 0"
    )


def _unquantized_nodes(loaded: _Nodes) -> Iterable[Fault]:
    """Finds float nodes between int8 nodes without a float layer on the way.

    Conversions at the beginning and end of the graph, and around float blocks, are necessary.
    """
    after = _reached([n for n in loaded.nodes if _runs_in_int8(n)], loaded.readers)
    before = _reached([n for n in loaded.nodes if _runs_in_int8(n)], loaded.makers)
    for node in loaded.nodes:
        if node.op_type in _STRAY and id(node) in after and id(node) in before:
            readers = ", ".join(sorted({r.op_type for r in loaded.readers(node)}))
            makers = ", ".join(sorted({m.op_type for m in loaded.makers(node)}))
            yield Fault(_name(node), node.op_type, f"is between {makers} and {readers}")


def _reached(start: list[Any], follow: Any) -> set[int]:
    """Returns the ids of the nodes that can be reached without crossing a float layer."""
    found: set[int] = set()
    waiting = [n for node in start for n in follow(node)]
    while waiting:
        node = waiting.pop()
        if id(node) not in found and node.op_type not in _FLOAT:
            found.add(id(node))
            waiting += follow(node)
    return found


def _slow(node: Any, loaded: _Nodes) -> Fault | None:
    """Finds convolutions without a fast kernel, by ``convsym.cpp`` of onnxruntime's MLAS (x86 with AVX-512)."""
    dims = loaded.dims.get(node.input[3])
    if dims is None or len(dims) < 3:
        return None
    groups = next((a.i for a in node.attribute if a.name == "group"), 1) or 1
    outputs, inputs = dims[0], dims[1] * groups
    if groups > 1:
        why = f"depthwise with {outputs} channels, not a multiple of 16" if outputs % 16 else None
    elif inputs % 4 or outputs % 4 or outputs < 16:
        why = (
            f"{inputs} input channels, {outputs} output channels; the fast kernel needs multiples of 4 and "
            "at least 16 outputs"
        )
    else:
        why = None
    return Fault(_origin(node), node.op_type, why) if why else None
