"""Reads what another exporter's classifier says of itself, and asks for the rest by name."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from edgecnn.errors import InputNotFoundError, ModelError, UsageError

__all__ = ["ForeignModel", "Layout", "read_foreign", "read_labels"]

Layout = Literal["nchw", "nhwc"]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_CONTROL_FLOW = ("If", "Loop", "Scan")
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class ForeignModel:
    """A classifier's graph as it came, and how it is fed and read."""

    path: Path
    proto: ModelProto
    input: str
    dtype: int  # TensorProto.FLOAT, FLOAT16 or UINT8
    layout: Layout
    height: int
    width: int
    batch: int | None  # None: any number of pictures
    output: str


def read_foreign(path: Path, imgsz: int | None, layout: Layout | None, output: str | None) -> ForeignModel:
    """Raises :class:`ModelError` for what cannot be adopted, :class:`UsageError` for what the file leaves open, naming the option that says it."""
    proto = _load(path)
    _refuse(path, proto)
    constants = {t.name for t in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ModelError(f"{path}: takes {len(inputs)} inputs ({', '.join(v.name for v in inputs)}); a classifier of single pictures takes one")
    image = inputs[0]
    kind, shape = image.type.tensor_type.elem_type, _shape(image)
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8):
        raise ModelError(f"{path}: the input {image.name} is {TensorProto.DataType.Name(kind).lower()}; expected float or uint8 pictures")
    found = _layout(path, image.name, shape, layout)
    height, width = (shape[2], shape[3]) if found == "nchw" else (shape[1], shape[2])
    if imgsz is not None and (height or imgsz, width or imgsz) != (imgsz, imgsz):
        raise UsageError(f"--imgsz {imgsz}: {path} is made for {width} x {height} pixels; leave the option out")
    height, width = height or imgsz, width or imgsz
    if height is None or width is None:
        raise UsageError(f"{path}: takes pictures of any size and does not say of which it was trained on; add --imgsz")
    return ForeignModel(path, proto, image.name, kind, found, height, width, shape[0], _output(path, proto, output))


def read_labels(file: Path | None, proto: ModelProto, path: Path) -> tuple[str, ...]:
    """From a text file with a label a line, a JSON list or object, or the file's own metadata ``names`` (as Ultralytics writes it).

    Raises:
        UsageError: there are none anywhere.
        InputNotFoundError, ModelError: the file with them cannot be read.
    """
    if file is None:
        names = next((p.value for p in proto.metadata_props if p.key == "names"), None)
        if names is None:
            raise UsageError(f"{path}: does not name its classes; add --labels FILE, a label a line")
        return _labels_of(ast.literal_eval, names, f"{path}: the metadata key 'names'")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputNotFoundError(f"--labels {file}: no such file; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--labels {file}: cannot be read as text; give a label a line in UTF-8") from error
    if text.lstrip().startswith(("[", "{")):
        return _labels_of(json.loads, text, f"--labels {file}")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _labels_of(parse, text: str, where: str) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    """A list, or an object whose keys are the classes' numbers."""
    try:
        found = parse(text)
        if isinstance(found, dict):
            found = [found[key] for key in sorted(found, key=int)]
    except (ValueError, SyntaxError, TypeError) as error:
        raise ModelError(f"{where}: neither a list of labels nor an object of numbers and labels; give a label a line") from error
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ModelError(f"{where}: expected a list of labels; give a label a line")
    return tuple(found)


def _load(path: Path) -> ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such model file; check the path") from error
    except Exception as error:  # protobuf's own has no name that onnx passes on
        raise ModelError(f"{path}: is no ONNX file, or cannot be read; give a .onnx file") from error


def _refuse(path: Path, proto: ModelProto) -> None:
    if not proto.graph.node:
        raise ModelError(f"{path}: holds no graph; give a .onnx file")
    external = next((t.name for t in _tensors(proto) if t.data_location == TensorProto.EXTERNAL), None)
    if external is not None:
        raise ModelError(
            f"{path}: keeps weights ({external}) in another file; save it as one file (onnx.save_model with save_as_external_data=False)"
        )
    for node in proto.graph.node:
        if node.domain not in _DOMAINS:
            raise ModelError(f"{path}: the operator {node.domain}.{node.op_type} is not ONNX's own; export without custom operators")
        if node.op_type in _CONTROL_FLOW:
            raise ModelError(f"{path}: has control flow ({node.op_type}); export a network whose steps do not depend on values")
        if node.op_type in _QUANTIZED:
            raise ModelError(f"{path}: is quantized already ({node.op_type}); adopt the float file and quantize that")


def _tensors(proto: ModelProto) -> Iterator[TensorProto]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _shape(value: ValueInfoProto) -> list[int | None]:
    return [d.dim_value or None for d in value.type.tensor_type.shape.dim]


def _layout(path: Path, name: str, shape: list[int | None], asked: Layout | None) -> Layout:
    if len(shape) != 4:
        raise ModelError(f"{path}: the input {name} has {len(shape)} dimensions; expected [N, 3, H, W] or [N, H, W, 3]")
    possible: list[Layout] = [layout for layout, channels in (("nchw", shape[1]), ("nhwc", shape[3])) if channels in (3, None)]  # type: ignore[misc]
    if asked is not None and asked in possible:
        return asked
    if asked is not None or not possible:
        raise ModelError(f"{path}: the input {name} is {_text(shape)}; expected three channels of colour in [N, 3, H, W] or [N, H, W, 3]")
    fixed: list[Layout] = [layout for layout in possible if shape[1 if layout == "nchw" else 3] == 3]
    if len(fixed) != 1:
        raise UsageError(f"{path}: the input {name} is {_text(shape)}, which leaves open where the colours are; add --layout nchw or --layout nhwc")
    return fixed[0]


def _text(shape: list[int | None]) -> str:
    return f"[{', '.join('?' if n is None else str(n) for n in shape)}]"


def _output(path: Path, proto: ModelProto, asked: str | None) -> str:
    names = [o.name for o in proto.graph.output]
    if asked is not None:
        if asked not in names:
            raise UsageError(f"--output {asked}: {path} gives {', '.join(names)}")
        return asked
    if len(names) > 1:
        raise UsageError(f"{path}: gives {', '.join(names)}; name the one with the classes: --output {names[0]}")
    return str(names[0])


def ends_in(graph: GraphProto, name: str) -> NodeProto | None:
    """The node that makes a tensor, behind what only changes its shape."""
    made = {o: node for node in graph.node for o in node.output}
    node = made.get(name)
    while node is not None and node.op_type in ("Identity", "Reshape", "Flatten", "Squeeze"):
        node = made.get(node.input[0])
    return node
