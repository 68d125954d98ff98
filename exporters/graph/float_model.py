"""Loads a float ONNX file to take it apart, and refuses what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto

from edgecnn.errors import InputNotFoundError, ModelError

__all__ = ["check_float_graph", "load_float_model", "load_onnx"]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_CONTROL_FLOW = ("If", "Loop", "Scan")
_QUANTIZED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeLinear",
)


def load_float_model(path: Path) -> ModelProto:
    """The graph of a file that can be taken apart.

    Raises:
        InputNotFoundError: no such file.
        ModelError: it cannot be read, keeps weights elsewhere, is quantized already, or has control flow or others'
            operators.
    """
    proto = load_onnx(path)
    _refuse_external(path, proto)
    check_float_graph(path, proto)
    return proto


def load_onnx(path: Path) -> ModelProto:
    """Any ONNX file, without the weights that it keeps in other files.

    Raises:
        InputNotFoundError: no such file.
        ModelError: it cannot be read, or holds no graph.
    """
    try:
        proto = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such model file; check the path") from error
    except Exception as error:  # protobuf's own has no name that onnx passes on
        raise ModelError(f"{path}: is no ONNX file, or cannot be read; give a .onnx file") from error
    if not proto.graph.node:
        raise ModelError(f"{path}: holds no graph; give a .onnx file")
    return proto


def _refuse_external(path: Path, proto: ModelProto) -> None:
    external = next((t.name for t in _tensors(proto) if t.data_location == TensorProto.EXTERNAL), None)
    if external is not None:
        raise ModelError(
            f"{path}: keeps weights ({external}) in another file; save it as one file (onnx.save_model with "
            "save_as_external_data=False)"
        )


def check_float_graph(path: Path, proto: ModelProto) -> None:
    """Raises :class:`ModelError` where the graph is quantized already, or has control flow or others' operators."""
    for node in proto.graph.node:
        if node.domain not in _DOMAINS:
            raise ModelError(
                f"{path}: the operator {node.domain}.{node.op_type} is not ONNX's own; export without custom operators"
            )
        if node.op_type in _CONTROL_FLOW:
            raise ModelError(
                f"{path}: has control flow ({node.op_type}); export a network whose steps do not depend on values"
            )
        if node.op_type in _QUANTIZED:
            raise ModelError(f"{path}: is quantized already ({node.op_type}); give the float file")


def _tensors(proto: ModelProto) -> Iterator[TensorProto]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
