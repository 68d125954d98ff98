"""Which divisions the structure rules allow: those of floating-point numbers, wherever they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="the models are made with onnx")

from onnx import TensorProto, helper  # noqa: E402

from edgecnn.runtime.admission.rules import RefusedError, check_structure  # noqa: E402
from edgecnn.runtime.onnx_file.proto import parse_model  # noqa: E402

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def check(model: onnx.ModelProto) -> None:
    content = model.SerializeToString()
    check_structure(parse_model(content, Path("m.onnx")), len(content))


def divided(node: onnx.NodeProto, divisor: str, kind: int = FLOAT) -> onnx.ModelProto:
    """A model that divides an output of the node by itself."""
    inputs = [helper.make_tensor_value_info(name, kind, None) for name in node.input if name]
    nodes = [node, helper.make_node("Div", [divisor, divisor], ["found"])]
    outputs = [helper.make_tensor_value_info("found", FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs))


@pytest.mark.parametrize(
    ("node", "divisor"),
    [
        (helper.make_node("Split", ["x"], ["a", "b", "c"], axis=1), "c"),
        (helper.make_node("GRU", ["x", "w", "r"], ["all", "last"], hidden_size=4), "last"),
        (helper.make_node("LSTM", ["x", "w", "r"], ["all", "last", "cell"], hidden_size=4), "cell"),
        (helper.make_node("TopK", ["x", "k"], ["values", "places"]), "values"),
    ],
    ids=["Split", "GRU", "LSTM", "TopK"],
)
def test_what_an_operator_makes_of_floats_may_be_divided(node: onnx.NodeProto, divisor: str) -> None:
    model = divided(node, divisor)
    if node.op_type == "TopK":  # its k may not depend on pixels
        model.graph.initializer.append(helper.make_tensor("k", TensorProto.INT64, [1], [2]))
        del model.graph.input[1]
    check(model)


@pytest.mark.parametrize(
    ("node", "divisor", "kind"),
    [
        (helper.make_node("MaxPool", ["x"], ["values", "places"], kernel_shape=[2, 2]), "places", FLOAT),
        (helper.make_node("Split", ["x"], ["a", "b"], axis=1), "b", UINT8),
    ],
    ids=["MaxPool", "Split"],
)
def test_whole_numbers_of_pixels_may_not(node: onnx.NodeProto, divisor: str, kind: int) -> None:
    with pytest.raises(RefusedError, match="an integer Div depends on pixel values"):
        check(divided(node, divisor, kind))
