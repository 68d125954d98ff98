"""Seven or eight bits: told from the file, and timed on the processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.runtime.analysis.weight_bits_timing import WeightBitsTiming, time_convolutions, time_weight_bits
from edgecnn.runtime.onnx_file.int8_convolutions import int8_convolutions
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.onnx_file.weight_bits import weight_bits, with_weight_bits
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu

HERE = Path("model.onnx")


def network(lowest: int, highest: int) -> bytes:
    weights = np.zeros((2, 8, 8), np.int8)
    weights[0, 0, 0], weights[1, 3, 4] = lowest, highest
    return int8_convolutions(weights, 2, 100.0)


@pytest.mark.parametrize(
    ("lowest", "highest", "bits"), [(-64, 63, 7), (-65, 63, 8), (-64, 64, 8), (-127, 127, 8), (0, 0, 7)]
)
def test_bits_are_those_of_the_largest_weight(lowest: int, highest: int, bits: int) -> None:
    assert weight_bits(network(lowest, highest), HERE) == bits


def test_a_float_file_has_none(tiny_model: Path, tiny_int8_model: Path) -> None:
    assert weight_bits(tiny_model.read_bytes(), tiny_model) is None
    assert weight_bits(tiny_int8_model.read_bytes(), tiny_int8_model) == 8


@pytest.mark.parametrize("bits", [7, 8])
def test_a_file_with_the_other_number_is_the_same_graph_and_runs(bits: int, tiny_int8_model: Path) -> None:
    content = tiny_int8_model.read_bytes()
    made = with_weight_bits(content, bits, tiny_int8_model)  # type: ignore[arg-type]
    assert weight_bits(made, HERE) == bits
    assert [n.op_type for n in parse_model(made, HERE).graph.node] == [
        n.op_type for n in parse_model(content, HERE).graph.node
    ]
    session = open_on_cpu(made, new_options())
    assert np.isfinite(session.run(["probabilities"], {"image": np.zeros((1, 32, 32, 3), np.uint8)})[0]).all()


def test_what_has_these_bits_already_is_not_changed() -> None:
    content = network(-100, 100)
    assert parse_model(with_weight_bits(content, 8, HERE), HERE, with_data=True) == parse_model(
        content, HERE, with_data=True
    )


def test_both_are_timed_here(tiny_int8_model: Path) -> None:
    for found in (time_convolutions(), time_weight_bits(tiny_int8_model.read_bytes(), tiny_int8_model)):
        assert found.seven_ms > 0
        assert found.eight_ms > 0


@pytest.mark.parametrize(
    ("seven_ms", "eight_ms", "faster", "words"),
    [(2.0, 3.0, 7, "eight bits take 1.50x"), (3.0, 2.0, 8, "seven bits take 1.50x"), (2.0, 2.1, None, "equally fast")],
)
def test_the_faster_form_is_named_with_what_the_other_costs(
    seven_ms: float, eight_ms: float, faster: int | None, words: str
) -> None:
    found = WeightBitsTiming(seven_ms, eight_ms)
    assert found.faster == faster
    assert words in str(found)
