"""Builds the graph of an adopted classifier: preprocessing, the original network, and its scores as probabilities."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from edgecnn._version import __version__
from edgecnn.errors import ModelError
from edgecnn.manifest import Manifest
from edgecnn.runtime.session.ort_errors import ort_reason
from exporters.foreign.free_batch import free_batch
from exporters.foreign.grey import GREY, grey_nodes
from exporters.foreign.read import ForeignModel
from exporters.foreign.scores import Scores
from exporters.graph.batch_norm import fold_batch_norm
from exporters.graph.export_passes import PASSES
from exporters.graph.padding import explicit_pads
from exporters.graph.passes import drop_identities, run_passes
from exporters.graph.types import complete_types
from exporters.options import OPSET
from exporters.to_onnx import IR_VERSION

__all__ = ["build_adopted"]


def build_adopted(
    foreign: ForeignModel,
    manifest: Manifest,
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    color: str,
    scores: Scores,
    *,
    batch: int | None,
) -> ModelProto:
    """Builds the graph contract around a foreign graph.

    Args:
        foreign: left as it is.
        manifest: the classes.
        mean, std: in pixel values, ``[1]`` or ``[3]``, in the order of colours that the network takes.
        color: that order, ``rgb`` or ``bgr``.
        scores: what the network gives.
        batch: how many images the graph is to take; None: any number.

    Raises:
        ModelError: its operator set is older than onnx can convert, or onnx finds fault with the graph.
    """
    model = _recent(copy.deepcopy(foreign.proto), foreign.path)
    graph = model.graph
    if foreign.batch is not None and batch is None:
        _free(model, foreign)
    constants = {t.name for t in graph.initializer}
    inner = next(v for v in graph.input if v.name not in constants)
    _rename_clashes(graph)
    del graph.input[:]
    graph.input.append(
        onnx.helper.make_tensor_value_info(
            "image", TensorProto.UINT8, [batch or "batch", foreign.height, foreign.width, 3]
        )
    )
    before = _to_network(graph, foreign, inner.name, mean, std, color)
    after = _from_network(graph, foreign.output, scores, len(manifest.labels))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.output.append(
        onnx.helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch or "batch", len(manifest.labels)])
    )
    _name_nodes(graph)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    run_passes(inferred, (drop_identities, explicit_pads, fold_batch_norm, *PASSES))
    complete_types(inferred)
    return inferred


def _free(model: ModelProto, foreign: ForeignModel) -> None:
    """Sets open sides to the size of the foreign model, so that every shape is known."""
    assert foreign.batch is not None
    channels = foreign.channels
    sides = (
        (channels, foreign.height, foreign.width)
        if foreign.layout == "nchw"
        else (foreign.height, foreign.width, channels)
    )
    constants = {t.name for t in model.graph.initializer}
    kept = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    shape = kept[0].type.tensor_type.shape
    for dim, side in zip(shape.dim, (foreign.batch, *sides), strict=True):
        dim.dim_value = side
    free_batch(model, foreign.batch)


def _recent(model: ModelProto, path: Path) -> ModelProto:
    """With the operator set that quantization needs: an older one is converted; initializers are no inputs any more."""
    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if version < 13:
        try:
            model = onnx.version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise ModelError(
                f"{path}: uses operator set {version}, which onnx.version_converter cannot convert to {OPSET} "
                f"({ort_reason(error)}); export it with opset {OPSET}, or convert it where it was made"
            ) from error
    kept = [o for o in model.opset_import if o.domain in ("", "ai.onnx")]
    del model.opset_import[:], model.metadata_props[:]
    model.opset_import.extend(kept)
    model.ir_version = max(IR_VERSION, min(model.ir_version, 10))
    model.producer_name, model.producer_version, model.doc_string = "edgecnn", __version__, ""
    return model


def _rename_clashes(graph: GraphProto) -> None:
    """Renames tensors of the foreign graph that use names of the graph contract."""
    taken = {"image", "probabilities"}

    def free(name: str) -> str:
        return f"original_{name}" if name in taken else name

    for node in graph.node:
        node.input[:] = [free(n) for n in node.input]
        node.output[:] = [free(n) for n in node.output]
    for value in (*graph.initializer, *graph.value_info):
        value.name = free(value.name)


def _to_network(
    graph: GraphProto, foreign: ForeignModel, name: str, mean: NDArray[np.float64], std: NDArray[np.float64], color: str
) -> list[NodeProto]:
    """image -> colours in order, or grey -> the network's layout -> floats -> normalised, under the name that the
    network reads."""
    name = f"original_{name}" if name in ("image", "probabilities") else name
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    nodes: list[NodeProto] = []
    source = "image"
    if foreign.channels == 1:
        nodes.append(onnx.helper.make_node("Cast", [source], ["edgecnn_pixels_float"], to=TensorProto.FLOAT))
        nodes += grey_nodes(graph, "edgecnn_pixels_float", GREY)
        source = GREY
    elif color == "bgr":
        graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "edgecnn_colours_reversed"))
        steps.append(("Gather", ["edgecnn_colours_reversed"], {"axis": 3}))
    if foreign.layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if foreign.dtype != TensorProto.UINT8:
        steps += _normalizing_steps(graph, foreign, mean, std)
    elif foreign.channels == 1:
        steps.append(("Cast", [], {"to": TensorProto.UINT8}))
    if not steps:
        steps.append(("Identity", [], {}))
    for i, (operator, others, attributes) in enumerate(steps):
        target = name if i == len(steps) - 1 else f"edgecnn_pixels_{operator.lower()}_{i}"
        nodes.append(onnx.helper.make_node(operator, [source, *others], [target], **attributes))
        source = target
    return nodes


def _normalizing_steps(
    graph: GraphProto, foreign: ForeignModel, mean: NDArray[np.float64], std: NDArray[np.float64]
) -> list[tuple[str, list[str], dict[str, Any]]]:
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if foreign.channels == 3:  # grey levels are floats already
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
    shape = (3, 1, 1) if foreign.layout == "nchw" else (3,)
    for operator, values, constant_name in (("Sub", mean, "edgecnn_pixel_mean"), ("Div", std, "edgecnn_pixel_std")):
        value = np.float32(values[0]) if np.ptp(values) == 0 else np.asarray(values, np.float32).reshape(shape)
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), constant_name))
        steps.append((operator, [constant_name], {}))
    if foreign.dtype == TensorProto.FLOAT16:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT16}))
    return steps


def _from_network(graph: GraphProto, output: str, scores: Scores, classes: int) -> list[NodeProto]:
    """The network's scores -> ``probabilities``."""
    output = f"original_{output}" if output in ("image", "probabilities") else output
    columns = 1 if scores in ("logit", "probability") else classes
    graph.initializer.append(numpy_helper.from_array(np.array([-1, columns], np.int64), "edgecnn_scores_shape"))
    nodes = [
        onnx.helper.make_node("Cast", [output], ["edgecnn_scores_float"], to=TensorProto.FLOAT),
        onnx.helper.make_node("Reshape", ["edgecnn_scores_float", "edgecnn_scores_shape"], ["edgecnn_scores"]),
    ]
    last = "edgecnn_scores"
    if scores == "logit":
        nodes.append(onnx.helper.make_node("Sigmoid", [last], ["edgecnn_second"]))
        last = "edgecnn_second"
    if scores in ("logit", "probability"):
        graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "edgecnn_one"))
        nodes.append(onnx.helper.make_node("Sub", ["edgecnn_one", last], ["edgecnn_first"]))
        nodes.append(onnx.helper.make_node("Concat", ["edgecnn_first", last], ["probabilities"], axis=1))
    elif scores == "logits":
        nodes.append(onnx.helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    elif scores == "shares":
        graph.initializer.append(numpy_helper.from_array(np.array(1e-12, np.float32), "edgecnn_least"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "edgecnn_class_axis"))
        nodes += [
            onnx.helper.make_node("ReduceSum", [last, "edgecnn_class_axis"], ["edgecnn_sum"], keepdims=1),
            onnx.helper.make_node("Max", ["edgecnn_sum", "edgecnn_least"], ["edgecnn_divisor"]),
            onnx.helper.make_node("Div", [last, "edgecnn_divisor"], ["probabilities"]),
        ]
    else:
        nodes.append(onnx.helper.make_node("Identity", [last], ["probabilities"]))
    return nodes


def _name_nodes(graph: GraphProto) -> None:
    """Gives every node a unique name: quantization and inspection refer to nodes by name."""
    taken: set[str] = set()
    for i, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{i}"
        taken.add(node.name)
