"""The graph passes, each on the smallest graph that shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from exporters.graph.padding import fold_pad_into_conv
from exporters.graph.passes import attribute, fold_gemm_factors, mean_to_global_average_pool, remove_dead_nodes
from exporters.graph.unquantizable import kept_float


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


class _Features(CalibrationDataReader):
    def __init__(self, features: np.ndarray) -> None:
        self._batches = iter([features])

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self._batches, None)
        return None if found is None else {"x": found}


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (1.0, 4.0), (2.0, 0.0)])
def test_factors_of_a_linear_layer_survive_onnxruntimes_quantizer(alpha: float, beta: float, tmp_path: Path) -> None:
    # onnxruntime 1.32.0: beta is lost, and alpha multiplies the bias too
    random = np.random.default_rng(2)
    weights = {"w": random.normal(0, 0.3, (8, 8)).astype(np.float32), "b": np.ones(8, np.float32)}
    linear = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "linear", alpha=alpha, beta=beta)
    model = model_of([linear], weights, [64, 8], [64, 8])
    features = random.normal(size=(64, 8)).astype(np.float32)
    expected = run(model, features)
    assert fold_gemm_factors(model)
    assert (attribute(model.graph.node[0], "alpha", 1.0), attribute(model.graph.node[0], "beta", 1.0)) == (1, 1)
    np.testing.assert_allclose(run(model, features), expected, atol=1e-5)
    remove_dead_nodes(model)
    onnx.save(model, tmp_path / "float.onnx")
    quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", _Features(features), per_channel=True)
    np.testing.assert_allclose(run(onnx.load(tmp_path / "int8.onnx"), features), expected, atol=0.1)


def test_a_linear_layer_without_factors_or_constants_stays() -> None:
    plain = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    weights = {"w": np.ones((8, 8), np.float32), "b": np.ones(8, np.float32)}
    assert not fold_gemm_factors(model_of([plain], weights, [1, 8], [1, 8]))
    computed = [helper.make_node("Identity", ["w"], ["v"]), helper.make_node("Gemm", ["x", "v"], ["y"], alpha=2.0)]
    assert not fold_gemm_factors(model_of(computed, weights, [1, 8], [1, 8]))


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ((0, 6), False),
        ((-1, 1), False),
        ((0.5, 1), True),
        ((-1, -0.5), True),
        ((None, 0.5), False),
        ((0.5, None), True),
    ],
)
def test_a_clip_that_leaves_out_zero_is_not_quantized(bounds: tuple[float | None, float | None], kept: bool) -> None:
    inputs = ["" if bound is None else name for name, bound in zip(("low", "high"), bounds, strict=True)]
    values = {n: np.array(b, np.float32) for n, b in zip(("low", "high"), bounds, strict=True) if b is not None}
    node = helper.make_node("Clip", ["x", *inputs], ["y"], name="clip")
    found = kept_float(model_of([node], values, [1, 8], [1, 8]), {"x": None, "y": None})
    assert list(found) == ["clip"] * kept


def test_a_clip_of_unknown_bounds_is_not_quantized() -> None:
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Clip", ["x", "", "most"], ["y"], name="clip"),
    ]
    assert "leave out zero" in kept_float(model_of(nodes, {}, [1, 8], [1, 8]), {"x": None, "y": None})["clip"]
