"""Hard sigmoid and hard swish as additions and products of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn.manifest import Normalization
from edgecnn.progress import Silent
from edgecnn.runtime.analysis.int8_kernels import check_fusion
from exporters.graph.hard_sigmoid import hard_sigmoid_ranges, write_out_hard_sigmoids
from exporters.quantization.calibrate import collect_histograms, find_ranges
from exporters.quantization.qdq import to_qdq
from exporters.quantization.targets import TARGETS

SIZE = 16


def _model(activation: str, **attributes: float) -> onnx.ModelProto:
    """A convolution, the activation, a mean and a linear layer."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.4, (16, 3, 3, 3)), "b1": random.normal(size=16), "w2": random.normal(0, 0.5, (4, 16)), "b2": np.zeros(4),
        "zero": np.array(127.0), "scale": np.array(64.0),
    }  # fmt: skip
    nodes = [
        helper.make_node("Transpose", ["image"], ["t"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["t"], ["f"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["f", "zero"], ["s"], name="sub"),
        helper.make_node("Div", ["s", "scale"], ["x"], name="div"),
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="conv"),
        helper.make_node(activation, ["c"], ["a"], name="activation", **attributes),
        helper.make_node("GlobalAveragePool", ["a"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["e"], name="flatten"),
        helper.make_node("Gemm", ["e", "w2", "b2"], ["l"], name="linear", transB=1),
        helper.make_node("Softmax", ["l"], ["probabilities"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    return onnx.shape_inference.infer_shapes(model)


def _run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"image": images}
    )[0]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize(
    ("activation", "attributes"),
    [("HardSwish", {}), ("HardSigmoid", {}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5})],
)
def test_written_out_they_are_the_same_and_in_int8_no_float_is_left(
    activation: str, attributes: dict[str, float], images: np.ndarray, tmp_path: Path
) -> None:
    plain = _model(activation, **attributes)
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    assert write_out_hard_sigmoids(model)
    np.testing.assert_allclose(_run(model, images), _run(plain, images), atol=1e-6)
    ranges = hard_sigmoid_ranges(
        model, find_ranges(model, collect_histograms(model, images, Silent().stage("")), "minmax")
    )
    quantized = to_qdq(model, ranges, Normalization(127, 64.0), TARGETS["x86"])
    onnx.save(quantized, tmp_path / "int8.onnx")
    assert np.abs(_run(quantized, images) - _run(plain, images)).max() < 0.02
    found = check_fusion(tmp_path / "int8.onnx")
    assert found.fused == ("conv", "linear")
    assert found.whole
    multiplications = sum(n.op_type == "Mul" for n in quantized.graph.node)
    assert multiplications == (1 if activation == "HardSwish" else 0)  # the slope is a scale


def test_a_model_without_them_is_left_alone() -> None:
    model = _model("Relu")
    before = model.SerializeToString()
    assert not write_out_hard_sigmoids(model)
    assert model.SerializeToString() == before
