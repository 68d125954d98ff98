"""Blocks that stay float: how a network is divided, which block is found, and that it really runs in float."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from edgecnn.progress import Silent
from edgecnn.runtime.analysis.int8_kernels import check_fusion
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session
from exporters import QuantizeOptions, QuantizeResult, quantize
from exporters.graph.blocks import find_blocks
from exporters.quantization.acceptance import AcceptanceTest, Attempt, Gates, Measured
from exporters.quantization.eval_images import choose_images
from exporters.quantization.qdq import never_quantized
from exporters.to_int8 import decide

COMPUTING = ("Conv", "Gemm", "MatMul")


@pytest.fixture(scope="module")
def mixed(harmed: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantizeResult:
    return quantize(
        harmed,
        shapes,
        tmp_path_factory.mktemp("mixed") / "q.onnx",
        QuantizeOptions(method="minmax", max_drop=0.1, min_speedup=0.0),
    )


@pytest.mark.parametrize("name", ["resnet8", "mobilenetv2", "threeconv"])
def test_blocks_hold_every_layer_once_and_at_least_two_each(
    name: str, float_model: Callable[[str], onnx.ModelProto]
) -> None:
    model = float_model(name)
    blocks = find_blocks(model, frozenset(never_quantized(model)))
    assert len(blocks) > 1
    assert all(len(block.computing) >= 2 for block in blocks)
    assert Counter(n for block in blocks for n in block.computing) == Counter(
        n.name for n in model.graph.node if n.op_type in COMPUTING
    )


def test_the_block_that_int8_harms_is_found_and_stays_float(mixed: QuantizeResult, harmed: Path) -> None:
    """The third and the fourth convolution of six."""
    assert mixed.decision == "mixed"
    layers = [n.name for n in onnx.load(harmed).graph.node if n.op_type in COMPUTING]
    assert set(layers[2:4]) <= set(mixed.float_nodes)
    assert len(mixed.float_nodes) < len(layers)


def test_what_was_tried_is_told_with_its_interval(mixed: QuantizeResult) -> None:
    first, *_, last = mixed.attempts
    assert first.precision == "int8"
    assert not first.accurate
    assert last.precision == "mixed"
    assert last.holds
    assert last.top1_drop == mixed.top1_drop
    assert last.interval > 0
    assert last.kl < first.kl / 10
    assert "in float it holds" in mixed.reason
    assert f"drop {first.top1_drop:.4f}" in mixed.reason


def test_a_mixed_file_says_so_proves_itself_and_runs_as_it_means_to(mixed: QuantizeResult) -> None:
    session = open_session(mixed.file, "auto")
    assert session.manifest.precision == "mixed"
    assert session.description.golden() is not None
    fusion = check_fusion(mixed.file)
    assert fusion.whole, fusion
    assert fusion.fused


def test_where_speed_forbids_it_nothing_is_searched_and_the_float_model_ships(
    harmed: Path, shapes: Path, tmp_path: Path
) -> None:
    result = quantize(
        harmed, shapes, tmp_path / "q.onnx", QuantizeOptions(method="minmax", max_drop=0.1, min_speedup=1000)
    )
    assert result.decision == "fp32"
    assert len(result.attempts) == 1
    assert (tmp_path / "q.onnx").read_bytes() == harmed.read_bytes()


def test_where_no_block_helps_the_reason_names_both_failures(tiny_model: Path, shapes: Path) -> None:
    session = open_session(tiny_model, "cpu")
    chosen = choose_images(shapes, session, 10, 0)
    acceptance = AcceptanceTest.from_float(session, read_model_file(tiny_model), chosen, Gates(0.005, 1.1), Silent())
    whole = Attempt(
        precision="int8",
        float_blocks=(),
        float_=Measured(0.9, 2.0),
        quantized=Measured(0.7, 1.0),
        top1_drop=0.2,
        interval=0.004,
        agreement=0.8,
        kl=0.1,
        images=400,
        speedup=2.0,
        accurate=False,
        fast=True,
    )
    slow = replace(
        whole,
        precision="mixed",
        float_blocks=("a … b",),
        quantized=Measured(0.9, 1.9),
        top1_drop=0.0,
        agreement=0.99,
        kl=0.01,
        speedup=1.05,
        accurate=True,
        fast=False,
    )
    decision, reason = decide((whole, slow), acceptance)
    assert decision == "fp32"
    assert "top-1 drop 0.2000" in reason
    assert "nor does it hold with 1 block in float: 1.05x" in reason
