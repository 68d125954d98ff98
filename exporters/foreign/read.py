"""Reads what another exporter's classifier says of itself, and asks for the rest by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx.inliner
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnxruntime.quantization.onnx_model import ONNXModel

from edgecnn.errors import ModelError, UsageError
from exporters.foreign.external_data import include_external_data
from exporters.graph.float_model import check_float_graph, load_onnx
from exporters.graph.passes import attribute, producers, remove_dead_nodes
from exporters.options import Layout

__all__ = ["ForeignModel", "read_foreign"]

_LEAST_IR = 4  # initializers need not be inputs
_ZIP_MAP = "ZipMap"
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class ForeignModel:
    """A classifier's graph as it came, and how it is fed and read."""

    path: Path
    proto: ModelProto  # in one file, without functions, with only the nodes that the scores need
    input: str
    dtype: int  # TensorProto.FLOAT, FLOAT16 or UINT8
    layout: Layout
    channels: int  # 3, or 1: grey levels
    height: int
    width: int
    batch: int | None  # None: any number of images
    output: str
    labels: tuple[str, ...]  # of a ZipMap; empty where it has none

    def with_batch(self, batch: int) -> ForeignModel:
        """The same for a fixed number of images."""
        proto = ModelProto.FromString(self.proto.SerializeToString())
        image = next(value for value in proto.graph.input if value.name == self.input)
        image.type.tensor_type.shape.dim[0].dim_value = batch
        for value in proto.graph.output:
            value.type.tensor_type.ClearField("shape")
        return replace(self, proto=proto, batch=batch)


def read_foreign(
    path: Path, size: tuple[int, int] | None, layout: Layout | None, output: str | None, questions: list[str]
) -> ForeignModel:
    """Reads the file; what it leaves open and no argument says is added to ``questions``.

    Weights in a second file beside it are read too, functions of its own are put in place, a ZipMap at the end is cut
    off, and what the scores do not need is left out.

    Args:
        path: the file.
        size: height and width in pixels, where the file leaves them open.
        layout: where the colours are, where the file leaves it open.
        output: which output or inner tensor has the scores.
        questions: what is missing, each with the option that says it.

    Raises:
        InputNotFoundError, ModelError: what cannot be read, or cannot be adopted.
        UsageError: what contradicts the file.
    """
    proto = load_onnx(path)
    include_external_data(proto, path)
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    proto = _sorted(proto)
    labels = _cut_zip_map(proto.graph, output)
    output = _choose_output(proto, path, output, questions)
    check_float_graph(path, proto)
    _check_batch_norm(path, proto.graph)
    image = _image_input(path, proto.graph)
    kind, shape = image.type.tensor_type.elem_type, _shape(image)
    found = _layout(path, image.name, shape, layout, questions)
    height, width = (shape[2], shape[3]) if found == "nchw" else (shape[1], shape[2])
    if size is not None and (height or size[0], width or size[1]) != size:
        raise UsageError(
            f"--imgsz {size[0]}x{size[1]}: {path} is made for {height or 'any'}x{width or 'any'}; omit the option"
        )
    if size is None and (height is None or width is None):
        questions.append("the input size (--imgsz 224, or --imgsz HEIGHTxWIDTH)")
    asked = size or (0, 0)
    return ForeignModel(
        path=path,
        proto=proto,
        input=image.name,
        dtype=kind,
        layout=found,
        channels=(shape[1] if found == "nchw" else shape[3]) or 3,
        height=height or asked[0],
        width=width or asked[1],
        batch=shape[0],
        output=output,
        labels=labels,
    )


def _sorted(proto: ModelProto) -> ModelProto:
    """Sorts the nodes by their dependencies: converters to float16 append casts at the end.

    A graph that cannot be sorted is left as it is; onnxruntime says what is wrong with it.
    """
    sortable = ONNXModel(ModelProto.FromString(proto.SerializeToString()))
    try:
        sortable.topological_sort()
    except AssertionError:  # a cycle, or a tensor that nothing makes
        return proto
    found: ModelProto = sortable.model
    return found


def _image_input(path: Path, graph: GraphProto) -> ValueInfoProto:
    constants = {t.name for t in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ModelError(
            f"{path}: takes {len(inputs)} inputs ({', '.join(v.name for v in inputs)}); a classifier of single "
            "images takes one"
        )
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8):
        raise ModelError(
            f"{path}: the input {inputs[0].name} is {TensorProto.DataType.Name(kind).lower()}; expected float or uint8 "
            "images"
        )
    return inputs[0]


def _cut_zip_map(graph: GraphProto, asked: str | None) -> tuple[str, ...]:
    """Takes the tensor before a ZipMap for the output; the labels that the ZipMap names.

    Azure Custom Vision, ML.NET and scikit-learn's converter end in one: a list of label and score.
    """
    zips = [node for node in graph.node if node.op_type == _ZIP_MAP and node.domain == "ai.onnx.ml"]
    ends = [(node, value) for node in zips for value in graph.output if value.name in node.output]
    if len(ends) != 1 or asked not in (None, ends[0][1].name):
        return ()
    ((node, value),) = ends
    name = value.name
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    scores = node.input[0]
    graph.node.remove(node)
    graph.node.append(onnx.helper.make_node("Identity", [scores], [name]))
    strings = attribute(node, "classlabels_strings", [])
    return tuple(s.decode() for s in strings) or tuple(map(str, attribute(node, "classlabels_int64s", [])))


def _choose_output(proto: ModelProto, path: Path, asked: str | None, questions: list[str]) -> str:
    """Makes the tensor with the scores the only output, and removes what it does not need."""
    graph = proto.graph
    names = [str(o.name) for o in graph.output]
    if asked is not None and asked not in (*names, *producers(graph)):
        raise UsageError(f"--output {asked}: {path} gives {', '.join(names)}, and has no inner tensor of that name")
    real = [str(o.name) for o in graph.output if o.type.tensor_type.elem_type in _REAL]
    possible = real if len(real) == 1 else names  # the other outputs hold the class that was picked
    if asked is None and len(possible) > 1:
        questions.append(f"which of the outputs {', '.join(names)} has the class scores (--output {names[0]})")
    chosen = asked or possible[0]
    known = next((v for v in (*graph.output, *graph.value_info) if v.name == chosen), None)
    value = ValueInfoProto(name=chosen) if known is None else ValueInfoProto.FromString(known.SerializeToString())
    del graph.output[:]
    graph.output.append(value)
    remove_dead_nodes(proto)
    _keep_real_inputs(proto)
    return chosen


def _keep_real_inputs(proto: ModelProto) -> None:
    """Drops inputs that have a value of their own, as files before IR version 4 list their weights, or that nothing
    reads."""
    graph = proto.graph
    constants = {t.name for t in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    kept = [value for value in graph.input if value.name not in constants and value.name in read]
    del graph.input[:]
    graph.input.extend(kept)
    proto.ir_version = max(proto.ir_version, _LEAST_IR)


def _check_batch_norm(path: Path, graph: GraphProto) -> None:
    """Refuses batch norm in training mode, which normalises by the statistics of the images of the batch."""
    for node in graph.node:
        if node.op_type == "BatchNormalization" and _trains(node):
            raise ModelError(
                f"{path}: its batch-norm ({node.name or node.output[0]}) is in training mode, so that an answer would "
                "depend on the other images; export it after model.eval(), without training=TrainingMode.TRAINING"
            )


def _trains(node: NodeProto) -> bool:
    return bool(attribute(node, "training_mode", 0)) or len([name for name in node.output if name]) > 1


def _shape(value: ValueInfoProto) -> list[int | None]:
    return [d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim]


def _layout(path: Path, name: str, shape: list[int | None], asked: Layout | None, questions: list[str]) -> Layout:
    if len(shape) != 4:
        raise ModelError(f"{path}: the input {name} has {len(shape)} dimensions; expected [N, 3, H, W] or [N, H, W, 3]")
    channels: dict[Layout, int | None] = {"nchw": shape[1], "nhwc": shape[3]}
    possible = [layout for layout, count in channels.items() if count in (1, 3, None)]
    if not possible or (asked is not None and asked not in possible):
        raise ModelError(
            f"{path}: the input {name} is {_text(shape)}; expected three channels of colour, or one of grey, in "
            "[N, C, H, W] or [N, H, W, C]"
        )
    sure = [layout for layout in possible if channels[layout] is not None]
    if asked is None and len(sure) != 1:
        questions.append(f"the layout of the input {_text(shape)} (--layout nchw, or nhwc)")
    return asked or (sure or possible)[0]


def _text(shape: list[int | None]) -> str:
    return f"[{', '.join('?' if n is None else str(n) for n in shape)}]"
