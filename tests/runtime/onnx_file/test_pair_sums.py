"""Eight-bit weights whose pairs stay within 16 bits are told from others, and come out exactly without the entry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.runtime.onnx_file.int8_convolutions import int8_convolutions
from edgecnn.runtime.onnx_file.pair_sums import LARGEST_SUM, is_exact, pairs
from edgecnn.runtime.onnx_file.proto import INT8, new_model
from edgecnn.runtime.session.ort_options import EXACT_INT8, new_options, open_on_cpu

PATH = Path("model.onnx")
CHANNELS, SCALE = 32, 4096.0


def _convolution(first: int, second: int) -> bytes:
    """Every pair of input channels has these two weights."""
    return int8_convolutions(np.tile(np.array([first, second], np.int8), (1, CHANNELS, CHANNELS // 2)), 3, SCALE)


@pytest.mark.parametrize(
    ("first", "second", "exact"),
    [
        (127, 1, True),
        (127, 2, False),
        (-127, -1, True),
        (-2, -127, False),
        (127, -127, True),
        (64, 64, True),
        (100, 28, True),
        (100, 29, False),
    ],
)
def test_it_goes_by_the_sum_of_each_pair(first: int, second: int, exact: bool) -> None:
    assert is_exact(_convolution(first, second), PATH) == exact


@pytest.mark.parametrize(("first", "second"), [(127, 1), (-127, -1), (100, 28), (127, -127)])
def test_what_is_called_exact_is_exact_without_the_slower_kernels(first: int, second: int) -> None:
    content = _convolution(first, second)
    options = new_options(threads=1, content=content)
    with pytest.raises(RuntimeError, match=EXACT_INT8[0].split(".")[-1]):  # no such entry
        options.get_session_config_entry(EXACT_INT8[0])
    pixels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (1, CHANNELS, 3, 3))
    pixels[..., 0] = 255
    weights = np.tile([first, second], CHANNELS // 2)
    found = np.asarray(open_on_cpu(content, options).run(None, {"x0": pixels})[0])
    expected = np.clip(np.rint(np.einsum("i,nihw->nhw", weights, pixels.astype(np.int64)) / SCALE), 0, 255)
    assert np.array_equal(found, np.broadcast_to(expected[:, None], found.shape))


def _layer(op_type: str, weight: np.ndarray, **numbers: int) -> bytes:
    """A layer whose weights are dequantized, as a QDQ file has it."""
    model = new_model()
    graph = model.graph
    graph.initializer.add(name="w", dims=weight.shape, data_type=INT8, raw_data=weight.astype(np.int8).tobytes())
    graph.node.add(op_type="DequantizeLinear", input=["w", "s", "z"], output=["wd"])
    node = graph.node.add(op_type=op_type, input=["x", "wd"], output=["y"])
    for name, value in numbers.items():
        node.attribute.add(name=name, i=value)
    return bytes(model.SerializeToString())


def test_depthwise_convolutions_are_exact_with_any_weights() -> None:
    weight = np.full((16, 1, 3, 3), 127)
    assert is_exact(_layer("Conv", weight, group=16), PATH)
    assert not is_exact(_layer("Conv", weight, group=1), PATH)


def test_neighbours_are_channels_not_taps() -> None:
    weight = np.zeros((4, 2, 3, 3))
    weight[:, 0] = 127
    assert is_exact(_layer("Conv", weight), PATH)
    weight[:, 1, 2, 2] = 2
    assert not is_exact(_layer("Conv", weight), PATH)


def test_with_an_odd_number_of_channels_any_two_in_a_row_may_be_a_pair() -> None:
    weight = np.zeros((4, 3, 3, 3))
    weight[:, 2, 0, 0] = weight[:, 0, 0, 1] = 100
    assert not is_exact(_layer("Conv", weight), PATH)


def test_matrices_are_summed_along_what_they_are_multiplied_by() -> None:
    weight = np.zeros((4, 6))
    weight[0] = 127  # one row
    assert is_exact(_layer("Gemm", weight, transB=0), PATH)
    assert not is_exact(_layer("Gemm", weight, transB=1), PATH)
    assert is_exact(_layer("MatMul", weight), PATH)


def test_what_cannot_be_told_is_not_called_exact() -> None:
    assert not is_exact(b"DequantizeLinear, but no model", PATH)
    assert not is_exact(_layer("ConvTranspose", np.full((4, 4, 1, 1), 127)), PATH)
    assert not is_exact(
        _layer("Conv", np.full((4, 4, 1, 1), 127)).replace(b"DequantizeLinear", b"DequantizeLinea_"), PATH
    )


def test_pairs_leave_out_what_has_no_partner() -> None:
    row = np.arange(5)
    assert [list(each) for each in pairs(row, 0)] == [[0, 2], [1, 3]]
    assert [list(each) for each in pairs(row, 1)] == [[1, 3], [2, 4]]
    assert LARGEST_SUM * 255 <= 2**15 - 1 < (LARGEST_SUM + 1) * 255
