"""The graph passes, each on the smallest graph that shows it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.graph.padding import fold_pad_into_conv
from exporters.graph.passes import mean_to_global_average_pool, remove_dead_nodes


def model_of(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: list[int], output: list[int]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        ["y"], {"x": x}
    )[0]


X = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)


def padded(pads: list[int], mode: str = "constant", value: float = 0.0) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Pad", ["x", "pads", "value"], ["p"], mode=mode),
        helper.make_node("Conv", ["p", "w"], ["y"], strides=[2, 2], kernel_shape=[3, 3]),
    ]
    weights = {"pads": np.array(pads, np.int64), "value": np.array(value, np.float32), "w": W}
    return model_of(nodes, weights, [1, 3, 8, 8], [1, 4, 4, 4])


def test_uneven_padding_becomes_the_convolutions_own() -> None:
    model = padded([0, 0, 0, 0, 0, 0, 1, 1])
    expected = run(model, X)
    assert fold_pad_into_conv(model)
    remove_dead_nodes(model)
    assert [n.op_type for n in model.graph.node] == ["Conv"]
    assert np.array_equal(run(model, X), expected)


@pytest.mark.parametrize(
    "model", [padded([0, 0, 0, 0, 0, 0, 1, 1], mode="reflect"), padded([0, 0, 0, 0, 0, 0, 1, 1], value=1.0)]
)
def test_padding_that_a_convolution_cannot_do_stays(model: onnx.ModelProto) -> None:
    assert not fold_pad_into_conv(model)


@pytest.mark.parametrize(
    ("axes", "keepdims", "changes"), [([2, 3], 1, True), ([-1, -2], 1, True), ([1], 1, False), ([2, 3], 0, False)]
)
def test_only_the_mean_over_height_and_width_becomes_a_pool(axes: list[int], keepdims: int, changes: bool) -> None:
    shape = [1, 3, 1, 1] if changes else ([1, 3] if keepdims == 0 else [1, 1, 8, 8])
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=keepdims)]
    model = model_of(nodes, {"axes": np.array(axes, np.int64)}, [1, 3, 8, 8], shape)
    expected = run(model, X)
    assert mean_to_global_average_pool(model) is changes
    assert np.allclose(run(model, X), expected, atol=1e-6)


def test_dead_nodes_and_weights_go() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["unused"])]
    model = model_of(nodes, {"w": W}, [1, 3, 8, 8], [1, 3, 8, 8])
    assert remove_dead_nodes(model)
    assert [n.op_type for n in model.graph.node] == ["Relu"]
    assert not model.graph.initializer
    assert not remove_dead_nodes(model)
