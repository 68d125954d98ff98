"""Nodes and tensors of exported files speak of the layers of the network, for viewers and reports."""

from __future__ import annotations

import re
from collections.abc import Callable

import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from untrained import shared_backend

from exporters.layer_names import name_by_layer

NUMBERED = re.compile(r"^(node_|getitem|val_|n\d+(_|$))|_\d{3,}$")
"""What torch's exporter calls nodes and tensors."""


@pytest.mark.parametrize("network", ["resnet8", "mobilenetv3_small"])
def test_an_exported_file_is_named_by_the_layers_of_its_network(
    network: str, float_model: Callable[[str], ModelProto]
) -> None:
    graph = float_model(network).graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(rf"{node.op_type}(_\d+)?", node.name.split("/")[-1]) for node in graph.node)
    tensors = [tensor.name for tensor in graph.initializer]
    results = [name for node in graph.node for name in node.output]
    assert not [name for name in (*names, *tensors, *results) if NUMBERED.search(name)]
    weights = {key.removesuffix(".weight") for key in shared_backend(network).network.state_dict()}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(layers) > 5
    for node in layers:
        layer, operator = node.name.split("/")
        assert (operator, node.input[1]) == (node.op_type, f"{layer}.weight")
        assert layer in weights
    modules = {name for name, _ in shared_backend(network).network.named_modules()}
    inside = [node.name.split("/")[0] for node in graph.node if "/" in node.name]
    assert set(inside) <= modules
    assert len(inside) > 0.6 * len(names)  # but the normalisation and the softmax, which are around the network


def test_the_types_of_renamed_tensors_stay_known(float_model: Callable[[str], ModelProto]) -> None:
    graph = float_model("resnet8").graph
    known = {value.name for value in (*graph.value_info, *graph.output)}
    assert {name for node in graph.node for name in node.output} <= known


def _node(kind: str, inputs: list[str], output: str, scopes: str | None = None) -> NodeProto:
    node = helper.make_node(kind, inputs, [output], f"node_{output}")
    if scopes is not None:
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    return node


def _graph(nodes: list[NodeProto]) -> ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("image", "out")]
    constants = [
        numpy_helper.from_array(numpy_helper.to_array(helper.make_tensor(name, TensorProto.FLOAT, [2], [1, 2])), name)
        for name in ("network.a.weight", "network.a.weight_bias", "val_1")
    ]
    return helper.make_model(helper.make_graph(nodes, "main_graph", values[:1], values[1:], constants))


def test_a_node_without_a_note_is_of_the_layer_before_it_and_no_name_is_given_twice() -> None:
    model = name_by_layer(
        _graph(
            [
                _node("Sub", ["image", "val_1"], "sub", "['', 'sub']"),
                _node("Mul", ["sub", "network.a.weight"], "mul", "['', 'network', 'network.b', 'mul']"),
                _node("Add", ["mul", "network.a.weight_bias"], "add", None),
                _node("Relu", ["add"], "relu", "['', 'network', 'network.c', 'relu']"),
                _node("Relu", ["relu"], "relu_1", "['', 'network', 'network.c', 'relu_1']"),
                _node("Relu", ["relu_1"], "out", "['', 'network', 'relu_2']"),
            ]
        )
    )
    assert [node.name for node in model.graph.node] == ["Sub", "a/Mul", "a/Add", "c/Relu", "c/Relu_1", "Relu"]
    assert [tensor.name for tensor in model.graph.initializer] == ["a.weight", "a.bias", "Sub.B"]
    assert [node.input[0] for node in model.graph.node] == ["image", "Sub", "a/Mul", "a/Add", "c/Relu", "c/Relu_1"]
    assert model.graph.node[-1].output[0] == "out"
    onnx.checker.check_model(model)


def test_a_graph_with_graphs_in_it_is_left_as_it_is() -> None:
    inner = helper.make_graph([], "inner", [], [])
    model = _graph([_node("Relu", ["image"], "out")])
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))
    assert name_by_layer(model).graph.node[0].name == "node_out"
