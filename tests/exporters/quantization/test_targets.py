"""One calibration, several files: what each target's file holds, and that all answer as the float model does."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from edgecnn.manifest import EXACT_KEY
from edgecnn.runtime.onnx_file.pair_sums import is_exact
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.onnx_file.weight_bits import weight_bits
from edgecnn.runtime.session.int8_support import int8_form
from edgecnn.runtime.session.opening import open_session
from exporters import QuantizeOptions, QuantizeResult, quantize, quantize_for, to_int8
from exporters.options import TargetName
from exporters.quantization import targets
from exporters.quantization.targets import TARGETS

ACTIVATIONS = ("Relu", "Clip")


@pytest.fixture(scope="module")
def results(tiny_model: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, QuantizeResult]:
    folder = tmp_path_factory.mktemp("targets")
    paths: dict[TargetName, Path] = {name: folder / f"{name}.onnx" for name in TARGETS}
    return {
        r.target: r
        for r in quantize_for(
            tiny_model, shapes, paths, QuantizeOptions(method="percentile", max_drop=1.0, min_speedup=0.0)
        )
    }


@pytest.mark.parametrize("name", TARGETS)
def test_every_targets_file_answers_nearly_as_float_does(
    name: str, results: dict[str, QuantizeResult], tiny_model: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    a, b = (
        open_session(tiny_model, "cpu").probabilities(images),
        open_session(results[name].file, "auto").probabilities(images),
    )
    assert np.abs(a - b).max() < 0.05
    assert results[name].decision == "int8"


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_compared_and_corrected_is_what_ships(name: str, results: dict[str, QuantizeResult]) -> None:
    """A form that differs from the file which ships would show in what its attempts were compared by."""
    tried = results[name].calibration.tried
    assert tried["percentile"] < 0.05
    assert tried["percentile, layers corrected"] < 0.05
    assert results[name].kl < 0.05


@pytest.mark.parametrize("name", TARGETS)
def test_the_runner_tells_the_file_made_for_tensorrt_from_the_others(
    name: str, results: dict[str, QuantizeResult]
) -> None:
    file = Path(results[name].file)
    assert int8_form(parse_model(file.read_bytes(), file)) == ("tensorrt" if name == "tensorrt" else "other")


@pytest.mark.parametrize("name", ["tensorrt", "openvino"])
def test_where_the_target_is_not_here_speed_is_unknown_and_accuracy_decides(
    name: str, results: dict[str, QuantizeResult]
) -> None:
    assert results[name].speedup is None
    assert results[name].quantized.latency_ms is None
    assert "speed cannot be measured" in results[name].reason


def test_arm64_has_signed_activations_and_no_activation_node(results: dict[str, QuantizeResult]) -> None:
    model = onnx.load(results["arm64"].file)
    assert _zero_point_types(model) == {TensorProto.INT8, TensorProto.INT32}
    assert not [n for n in model.graph.node if n.op_type in ACTIVATIONS]


def test_x86_avx2_has_eight_bits_that_stay_exact_without_vnni(results: dict[str, QuantizeResult]) -> None:
    path = Path(results["x86-avx2"].file)
    content = path.read_bytes()
    assert weight_bits(content, path) == 8
    assert is_exact(content, path)
    told = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    assert told[EXACT_KEY] == "1"  # for runners in other languages
    with_vnni, paired = ({n.op_type for n in onnx.load(results[name].file).graph.node} for name in ("x86", "x86-avx2"))
    assert with_vnni == paired


def test_x86_holds_pairs_only_where_this_processor_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "has_vnni", lambda: True)
    assert not TARGETS["x86"].paired
    assert TARGETS["x86-avx2"].paired
    monkeypatch.setattr(targets, "has_vnni", lambda: False)
    assert TARGETS["x86"].paired == TARGETS["x86"].here
    assert not TARGETS["arm64"].paired


def test_openvino_has_zero_points_of_0_and_signs_where_something_is_negative(
    results: dict[str, QuantizeResult],
) -> None:
    model = onnx.load(results["openvino"].file)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    zero_points = [constants[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert not any(z.any() for z in zero_points)
    assert {z.dtype for z in zero_points} == {np.dtype(np.uint8), np.dtype(np.int8)}  # after Relu, and the pixels
    assert not [n for n in model.graph.node if n.op_type in ACTIVATIONS]


def test_tensorrt_has_zero_points_of_0_float_biases_and_a_pair_for_each_reader(
    results: dict[str, QuantizeResult], tiny_model: Path
) -> None:
    model = onnx.load(results["tensorrt"].file)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    dequantizing = [n for n in model.graph.node if n.op_type == "DequantizeLinear"]
    assert dequantizing
    for node in dequantizing:
        assert not constants[node.input[2]].any()
        assert made[node.input[0]].op_type == "QuantizeLinear"
    read = Counter(name for node in model.graph.node for name in node.input)
    assert {read[n.output[0]] for n in dequantizing} == {1}
    for node in (n for n in model.graph.node if n.op_type in ("Conv", "Gemm")):
        assert constants[node.input[2]].dtype == np.float32
    float_model = onnx.load(tiny_model)
    assert [n.name for n in model.graph.node if n.op_type in ACTIVATIONS] == [
        n.name for n in float_model.graph.node if n.op_type in ACTIVATIONS
    ]


def test_several_targets_cost_one_calibration(
    tiny_model: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [], to_int8.calibrate
    monkeypatch.setattr(to_int8, "calibrate", lambda *given: calls.append(1) or real(*given))
    paths: dict[TargetName, Path] = {"x86": tmp_path / "a.onnx", "arm64": tmp_path / "b.onnx"}
    quantize_for(tiny_model, shapes, paths, QuantizeOptions(method="minmax", max_drop=1.0, min_speedup=0.0))
    assert len(calls) == 1
    assert all(path.is_file() for path in paths.values())


def test_the_float_file_is_read_once(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    """What is quantized, what it is compared and raced with, and what ships in its place are the same bytes."""
    opened: list[str] = []
    listening = True

    def hook(event: str, given: tuple[object, ...]) -> None:
        if listening and event == "open" and str(given[0]) == str(model):
            opened.append(str(given[0]))

    model = tmp_path / "float.onnx"
    model.write_bytes(tiny_model.read_bytes())
    sys.addaudithook(hook)  # cannot be taken off again
    result = quantize(model, shapes, tmp_path / "q.onnx", QuantizeOptions(method="minmax", min_speedup=1e9))
    listening = False
    assert result.decision == "fp32"
    assert (tmp_path / "q.onnx").read_bytes() == model.read_bytes()
    assert len(opened) == 1


def _zero_point_types(model: ModelProto) -> set[int]:
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    return {kinds[n.input[2]] for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
