"""Reads a classifier of another exporter, and lists the information that the file lacks."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from edgecnn.errors import InputNotFoundError, ModelError, UsageError
from exporters.graph.float_model import load_float_model
from exporters.options import Layout

__all__ = ["ForeignModel", "read_foreign", "read_labels"]


@dataclass(frozen=True, kw_only=True)
class ForeignModel:
    """The original graph of a classifier, and its input and output formats."""

    path: Path
    proto: ModelProto
    input: str
    dtype: int  # TensorProto.FLOAT, FLOAT16 or UINT8
    layout: Layout
    height: int
    width: int
    batch: int | None  # None: any number of images
    output: str


def read_foreign(
    path: Path, size: tuple[int, int] | None, layout: Layout | None, output: str | None, questions: list[str]
) -> ForeignModel:
    """Reads the file. Adds information that neither file nor arguments give to ``questions``.

    Args:
        path: the file.
        size: height and width in pixels, where the file leaves them open.
        layout: where the colours are, where the file leaves it open.
        output: which output has the classes, where there are several.
        questions: what is missing, each with the option that says it.

    Raises:
        InputNotFoundError, ModelError: the file cannot be read or cannot be adopted.
        UsageError: an argument contradicts the file.
    """
    proto = load_float_model(path)
    constants = {t.name for t in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ModelError(
            f"{path}: takes {len(inputs)} inputs ({', '.join(v.name for v in inputs)}); a classifier of single "
            "images takes one"
        )
    image = inputs[0]
    kind, shape = image.type.tensor_type.elem_type, _shape(image)
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8):
        raise ModelError(
            f"{path}: the input {image.name} is {TensorProto.DataType.Name(kind).lower()}; expected float or uint8 "
            "images"
        )
    found = _layout(path, image.name, shape, layout, questions)
    height, width = (shape[2], shape[3]) if found == "nchw" else (shape[1], shape[2])
    if size is not None and (height or size[0], width or size[1]) != size:
        raise UsageError(
            f"--imgsz {size[0]},{size[1]}: {path} is made for {height or 'any'},{width or 'any'}; omit the option"
        )
    if size is None and (height is None or width is None):
        questions.append("the input size (--imgsz 224, or --imgsz HEIGHT,WIDTH)")
    asked = size or (0, 0)
    return ForeignModel(
        path=path,
        proto=proto,
        input=image.name,
        dtype=kind,
        layout=found,
        height=height or asked[0],
        width=width or asked[1],
        batch=shape[0],
        output=_output(proto, path, output, questions),
    )


def read_labels(file: Path | None, proto: ModelProto, path: Path, questions: list[str]) -> tuple[str, ...]:
    """From a text file with a label a line, a JSON list or object, or the file's own metadata ``names`` (as Ultralytics
    writes it).

    Raises:
        InputNotFoundError, ModelError: the file with them cannot be read.
    """
    if file is None:
        names = next((p.value for p in proto.metadata_props if p.key == "names"), None)
        if names is None:
            questions.append("the labels (--labels FILE, one label per line)")
            return ()
        return _labels_of(ast.literal_eval, names, f"{path}: the metadata key 'names'")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputNotFoundError(f"--labels {file}: no such file; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--labels {file}: cannot be read as text; give one label per line in UTF-8") from error
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
        raise ModelError(
            f"{where}: is neither a list of labels nor an object of numbers and labels; give one label per line"
        ) from error
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ModelError(f"{where}: expected a list of labels; give one label per line")
    return tuple(found)


def _shape(value: ValueInfoProto) -> list[int | None]:
    return [d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim]


def _layout(path: Path, name: str, shape: list[int | None], asked: Layout | None, questions: list[str]) -> Layout:
    if len(shape) != 4:
        raise ModelError(f"{path}: the input {name} has {len(shape)} dimensions; expected [N, 3, H, W] or [N, H, W, 3]")
    channels: dict[Layout, int | None] = {"nchw": shape[1], "nhwc": shape[3]}
    possible = [layout for layout, count in channels.items() if count in (3, None)]
    if not possible or (asked is not None and asked not in possible):
        raise ModelError(
            f"{path}: the input {name} is {_text(shape)}; expected three channels of colour in [N, 3, H, W] or [N, "
            "H, W, 3]"
        )
    sure = [layout for layout in possible if channels[layout] == 3]
    if asked is None and len(sure) != 1:
        questions.append(f"the layout of the input {_text(shape)} (--layout nchw, or nhwc)")
    return asked or (sure or possible)[0]


def _text(shape: list[int | None]) -> str:
    return f"[{', '.join('?' if n is None else str(n) for n in shape)}]"


def _output(proto: ModelProto, path: Path, asked: str | None, questions: list[str]) -> str:
    names = [str(o.name) for o in proto.graph.output]
    if asked is not None and asked not in names:
        raise UsageError(f"--output {asked}: {path} gives {', '.join(names)}")
    if asked is None and len(names) > 1:
        questions.append(f"which of the outputs {', '.join(names)} has the class scores (--output {names[0]})")
    return asked or names[0]


def ends_in(graph: GraphProto, name: str) -> NodeProto | None:
    """The node that makes a tensor, behind what only changes its shape."""
    made = {o: node for node in graph.node for o in node.output}
    node = made.get(name)
    while node is not None and node.op_type in ("Identity", "Reshape", "Flatten", "Squeeze"):
        node = made.get(node.input[0])
    return node
