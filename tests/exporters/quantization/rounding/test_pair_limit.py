"""Eight-bit weights within the sums of 16 bits: exact on every x86 processor, and finer than seven bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgecnn.runtime.onnx_file.pair_sums import LARGEST_SUM, convolution_rows, is_exact, pair_phases, pairs
from exporters.graph.passes import constant
from exporters.quantization.rounding.pair_limit import limit_pairs, partners_of
from exporters.quantization.rounding.weight_rounding import round_weights

RANDOM = np.random.default_rng(0)


def _models(
    op_type: str, weight: np.ndarray, *, per_channel: bool = True, **numbers: int
) -> tuple[ModelProto, ModelProto]:
    """A float layer with a bias, and its QDQ form in plain eight bits."""
    outputs = weight.shape[1] if op_type == "MatMul" or not numbers.get("transB", 1) else len(weight)
    axis = 0 if outputs == len(weight) else 1
    flat = np.moveaxis(weight, axis, 0).reshape(outputs, -1)
    scale = (np.abs(flat).max(1) if per_channel else np.abs(flat).max()) / np.float32(127)
    bias = np.linspace(-1, 1, outputs).astype(np.float32)
    spread = scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)]) if per_channel else scale

    def model(nodes: list[onnx.NodeProto], values: dict[str, np.ndarray]) -> ModelProto:
        graph = helper.make_graph(
            nodes,
            "layer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in values.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    inputs = ["xd", "wd"] if op_type == "MatMul" else ["xd", "wd", "bd"]
    floats = [name[0] for name in inputs]
    exact = model(
        [helper.make_node(op_type, floats, ["y"], name="layer", **numbers)],
        {"w": weight.astype(np.float32), **({"b": bias} if len(inputs) > 2 else {})},
    )
    zero = np.zeros_like(scale, np.int8)
    quantized = model(
        [
            helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=axis),
            helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
            helper.make_node(op_type, inputs, ["y"], name="layer", **numbers),
        ],
        {
            "xs": np.float32(0.5),
            "xz": np.uint8(0),
            "w": np.round(weight / spread).astype(np.int8),
            "ws": scale.astype(np.float32),
            "wz": zero,
            "b": np.round(bias / (0.5 * scale)).astype(np.int32),
            "bs": (0.5 * scale).astype(np.float32),
            "bz": np.zeros_like(scale, np.int32),
        },
    )
    return exact, quantized


@pytest.mark.parametrize(
    ("op_type", "shape", "numbers"),
    [
        ("Conv", (16, 32, 1, 1), {}),
        ("Conv", (8, 12, 3, 2), {}),
        ("Conv", (8, 3, 3, 3), {}),
        ("Conv", (8, 4, 3, 3), {"group": 2}),
        ("Gemm", (10, 64), {"transB": 1}),
        ("Gemm", (64, 10), {"transB": 0}),
        ("MatMul", (64, 10), {}),
    ],
)
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_pair_is_brought_within_the_sum(
    op_type: str, shape: tuple[int, ...], numbers: dict[str, int], per_channel: bool
) -> None:
    weight = RANDOM.laplace(size=shape)
    channels = np.moveaxis(weight, 0 if op_type == "MatMul" or not numbers.get("transB", 1) else 1, 0)
    first = (0,) * (weight.ndim - 1)
    channels[(0, *first)] = channels[(1, *first)] = 0.8 * np.abs(weight).max()  # a pair too large for 16 bits
    exact, quantized = _models(op_type, weight, per_channel=per_channel, **numbers)
    assert not is_exact(quantized.SerializeToString(), Path("plain"))
    limit_pairs(quantized, exact)
    assert is_exact(quantized.SerializeToString(), Path("paired"))
    integers, scale = constant(quantized.graph, "w"), constant(quantized.graph, "ws")
    assert integers is not None
    assert scale is not None
    assert np.abs(integers).max() > 64  # finer than seven bits
    assert scale.ndim == int(per_channel)


@pytest.mark.parametrize("shape", [(32, 64, 1, 1), (32, 3, 3, 3)])
def test_the_weights_come_out_nearer_than_with_seven_bits(shape: tuple[int, ...]) -> None:
    weight = RANDOM.normal(size=shape)
    exact, quantized = _models("Conv", weight)
    limit_pairs(quantized, exact)
    integers, scale = constant(quantized.graph, "w"), constant(quantized.graph, "ws")
    assert integers is not None
    assert scale is not None
    error = ((integers * scale[:, None, None, None] - weight) ** 2).sum()
    step = np.abs(weight.reshape(len(weight), -1)).max(1)[:, None, None, None] / 63
    assert error < 0.8 * ((np.round(weight / step) * step - weight) ** 2).sum()


def test_the_bias_stays_what_it_was() -> None:
    exact, quantized = _models("Conv", RANDOM.laplace(size=(8, 16, 1, 1)))
    limit_pairs(quantized, exact)
    bias, unit, scale = (constant(quantized.graph, name) for name in ("b", "bs", "ws"))
    assert bias is not None
    assert unit is not None
    assert scale is not None
    assert np.allclose(unit, 0.5 * scale)
    assert np.allclose(bias * unit, np.linspace(-1, 1, 8), atol=unit.max())


def test_depthwise_weights_keep_all_eight_bits() -> None:
    exact, quantized = _models("Conv", RANDOM.normal(size=(16, 1, 3, 3)), group=16)
    before = constant(quantized.graph, "w")
    limit_pairs(quantized, exact)
    assert np.array_equal(constant(quantized.graph, "w"), before)


@pytest.mark.parametrize("channels", [3, 2])
def test_weights_that_are_chosen_by_their_effect_hold_the_sum_too(channels: int) -> None:
    """A stem: chosen by coordinate descent, which would pair large ones."""
    shape = (8, channels, 3, 3)
    weight = np.abs(RANDOM.normal(size=shape)).reshape(8, -1)
    covariance = np.cov(RANDOM.normal(size=(weight.shape[1], 50)))[None]
    chosen = round_weights(weight, np.abs(weight).max(1) / 127, covariance, partners=partners_of(shape))
    rows = convolution_rows(chosen.integers.reshape(shape).astype(int))
    for phase in pair_phases(channels):
        first, second = pairs(rows, phase)
        assert (np.maximum(first, 0) + np.maximum(second, 0)).max() <= LARGEST_SUM
        assert (np.minimum(first, 0) + np.minimum(second, 0)).min() >= -LARGEST_SUM
    assert np.abs(rows).max() > 64


def test_partners_are_told_by_their_places_in_the_file() -> None:
    assert partners_of((4, 2, 1, 2)) == ((2,), (3,), (0,), (1,))
    assert partners_of((4, 3, 1, 1)) == ((1,), (0, 2), (1,))
