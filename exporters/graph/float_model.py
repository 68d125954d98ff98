"""Loads a float ONNX file for graph changes, refuses unsupported files, and brings the graph into one form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto

from edgecnn.errors import InputNotFoundError, ModelError
from edgecnn.runtime.session.model_session import ModelSession
from exporters.graph.average_pools import count_inside
from exporters.graph.constant_folding import fold_constants
from exporters.graph.fp16 import widen
from exporters.graph.hard_sigmoid import write_out_hard_sigmoids
from exporters.graph.padding import explicit_pads, fold_pad_into_conv
from exporters.graph.passes import drop_identities, fold_gemm_factors, run_passes
from exporters.graph.types import complete_types

__all__ = ["check_float_graph", "load_float_model", "load_onnx", "parse_float_model", "prepare_graph"]

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
    """Loads the graph of a float ONNX file.

    Raises:
        InputNotFoundError: the file does not exist.
        ModelError: the file cannot be read, has external data, is already quantized, or has control flow or custom
            operators.
    """
    return parse_float_model(path, _read(path))


def load_onnx(path: Path) -> ModelProto:
    """Loads any ONNX file, without its external data. Raises as :func:`load_float_model` where it cannot be read."""
    return _parse(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such model file; check the path") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}; give a .onnx file") from error


def parse_float_model(path: Path, content: bytes) -> ModelProto:
    """Loads the graph from the bytes of a file. Raises :class:`ModelError`."""
    proto = _parse(path, content)
    _refuse_external(path, proto)
    check_float_graph(path, proto)
    return proto


def _parse(path: Path, content: bytes) -> ModelProto:
    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own has no name that onnx passes on
        raise ModelError(f"{path}: is not an ONNX file, or cannot be read; give a .onnx file") from error
    if not proto.graph.node:
        raise ModelError(f"{path}: contains no graph; give a .onnx file")
    return proto


def _refuse_external(path: Path, proto: ModelProto) -> None:
    external = next((t.name for t in _tensors(proto) if t.data_location == TensorProto.EXTERNAL), None)
    if external is not None:
        raise ModelError(
            f"{path}: stores weights ({external}) in an external data file; save it as one file (onnx.save_model with "
            "save_as_external_data=False)"
        )


def check_float_graph(path: Path, proto: ModelProto) -> None:
    """Raises :class:`ModelError` if the graph is quantized already, or has control flow or custom operators."""
    for node in proto.graph.node:
        if node.domain not in _DOMAINS:
            raise ModelError(
                f"{path}: the operator {node.domain}.{node.op_type} is not ONNX's own; export without custom operators"
            )
        if node.op_type in _CONTROL_FLOW:
            raise ModelError(f"{path}: has control flow ({node.op_type}); export a network without control flow")
        if node.op_type in _QUANTIZED:
            raise ModelError(f"{path}: is already quantized ({node.op_type}); give the float file")


def _tensors(proto: ModelProto) -> Iterator[TensorProto]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def prepare_graph(path: Path, proto: ModelProto, session: ModelSession) -> None:
    """Brings the graph into the form that calibration and quantization read.

    Args:
        path: of the file, for errors.
        proto: its graph; changed in place.
        session: the file, opened.

    Raises:
        ModelError: the file is not the float form, or its layout cannot be quantized.
    """
    manifest = session.manifest
    if manifest.temporal is not None:
        session.require_steps()
    adopted_half = manifest.precision == "fp16" and manifest.training.run == "adopted"  # there is no float32 file of it
    if manifest.precision != "fp32" and not adopted_half:
        raise ModelError(
            f"{path}: its precision is {manifest.precision}; quantize the fp32 file that `edgecnn export` or `edgecnn "
            "adopt` wrote"
        )
    if proto.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.UINT8:
        raise ModelError(f"{path}: its layout is nchw-float32; export it with --layout nhwc-uint8 to quantize it")
    widen(proto)
    fold_constants(proto)
    run_passes(proto, (drop_identities, explicit_pads, fold_pad_into_conv, count_inside, fold_gemm_factors))
    complete_types(proto)
    write_out_hard_sigmoids(proto)
