"""Quantization: what is emitted, that onnxruntime fuses it, and both gates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from shapes import write_shapes

from edgecnn.errors import DataError, GateError, ModelError, UsageError
from edgecnn.progress import Progress, Silent
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.session.opening import open_session
from exporters import QuantizeOptions, quantize
from exporters.quantization.calibrate import METHODS, Histogram, collect_histograms, find_ranges
from exporters.quantization.layer_correction import _layers, _MeanError, correct_layers

OPEN_GATES = {"max_drop": 1.0, "min_speedup": 0.0}


class Listening(Silent):
    def __init__(self) -> None:
        self.planned: list[str] = []
        self.begun: list[str] = []

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        self.planned = [name for name, share in stages if share > 0]

    def stage(self, name: str) -> Progress:
        self.begun.append(name)
        return super().stage(name)


@pytest.fixture(scope="module")
def int8_and_stages(tiny_model: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory):
    path, heard = tmp_path_factory.mktemp("int8") / "q.onnx", Listening()
    return quantize(tiny_model, shapes, path, QuantizeOptions(**OPEN_GATES), heard), heard


@pytest.fixture(scope="module")
def int8(int8_and_stages):
    return int8_and_stages[0]


def test_the_stages_are_those_of_the_plan_that_the_estimate_is_made_from(int8_and_stages) -> None:
    heard = int8_and_stages[1]
    assert len(heard.planned) == 6
    assert heard.begun == heard.planned


def test_the_result_tells_what_was_measured(int8, shapes: Path) -> None:
    assert int8.decision == "int8"
    assert int8.images == 20  # half of the images calibrated
    assert int8.held_out
    tried = int8.calibration.tried
    methods = ("minmax", "mse", "percentile")
    best = min(methods, key=lambda method: tried[method])
    assert int8.calibration.method == best
    assert set(tried) == {*methods, f"{best}, layers corrected"}
    assert int8.size_bytes == Path(int8.file).stat().st_size
    assert int8.top1_drop == pytest.approx(int8.float_.top1 - int8.quantized.top1)
    assert "too few" in int8.reason or int8.top1_drop <= 1.0


def test_the_opencv_that_decoded_the_images_is_recorded(int8, tiny_model: Path) -> None:
    own = open_session(tiny_model, "cpu").manifest.opencv  # None: trained elsewhere, as far as the file tells
    assert open_session(int8.file, "cpu").manifest.opencv == (own or cv2.__version__)


def test_int8_answers_nearly_as_float(int8, tiny_model: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    a, b = open_session(tiny_model, "cpu").probabilities(images), open_session(int8.file, "cpu").probabilities(images)
    assert np.abs(a - b).max() < 0.05
    assert int8.agreement >= 0.9
    assert int8.kl < 0.05  # calibrated on 15 images


def test_every_convolution_and_product_is_int8_and_fused(int8, tmp_path: Path) -> None:
    assert inspect_model(int8.file).float_nodes == ()
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(int8.file, options, providers=["CPUExecutionProvider"])
    operators = [n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert operators.count("QLinearConv") == 2
    assert operators.count("QGemm") == 1
    assert not {"Conv", "FusedConv", "Gemm", "Relu", "Clip"} & set(operators)


def test_the_pixels_enter_without_a_float_copy(int8) -> None:
    graph = onnx.load(int8.file).graph
    assert not [n for n in graph.node if n.op_type in ("Cast", "Sub")]
    reader = next(n for n in graph.node if "image" in n.input)
    while reader.op_type in ("Reshape", "Transpose"):
        reader = next(n for n in graph.node if reader.output[0] in n.input)
    assert reader.op_type == "DequantizeLinear"
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    assert constants[reader.input[1]] == np.float32(1 / 128)
    assert constants[reader.input[2]] == 128


def test_the_file_proves_itself_and_says_int8(int8) -> None:
    session = open_session(int8.file, "auto")
    assert session.manifest.precision == "int8"
    assert session.description.golden() is not None


def test_a_failed_speed_gate_ships_the_float_model_and_says_why(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    result = quantize(
        tiny_model, shapes, tmp_path / "q.onnx", QuantizeOptions(method="minmax", max_drop=1.0, min_speedup=1000)
    )
    assert result.decision == "fp32"
    assert (tmp_path / "q.onnx").read_bytes() == tiny_model.read_bytes()
    assert "1000x" in result.reason
    assert result.quantized.latency_ms > 0  # the figures are the rejected candidate's


def test_a_failed_gate_under_strict_writes_nothing(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="1000x"):
        quantize(
            tiny_model,
            shapes,
            tmp_path / "q.onnx",
            QuantizeOptions(method="minmax", max_drop=1.0, min_speedup=1000, strict=True),
        )
    assert not list(tmp_path.iterdir())


def test_images_without_labels_are_evaluated_by_agreement(tiny_model: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    for path in write_shapes(tmp_path / "shapes", 8).rglob("*.png"):
        path.rename(loose / f"{path.parent.name}{path.name}")
    result = quantize(tiny_model, loose, tmp_path / "q.onnx", QuantizeOptions(method="minmax", **OPEN_GATES))
    assert result.float_.top1 is None
    assert result.top1_drop is None
    assert "agrees with float" in result.reason


def test_calibration_and_evaluation_share_no_image(tiny_model: Path, shapes: Path) -> None:
    from exporters.quantization.eval_images import choose_images

    for samples in (4, 10, 300):
        chosen = choose_images(shapes, open_session(tiny_model, "cpu"), samples, 0)
        assert not set(chosen.calibration) & set(chosen.evaluated)
        assert len(chosen.calibration) == min(samples, 20)
        assert chosen.truth is not None
        assert len(chosen.truth) == len(chosen.evaluated)


def test_what_cannot_be_quantized_is_refused(
    tiny_model: Path, tiny_int8_model: Path, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="already quantized"):
        quantize(tiny_int8_model, shapes, tmp_path / "q.onnx")
    with pytest.raises(UsageError, match="--samples"):
        quantize(tiny_model, shapes, tmp_path / "q.onnx", QuantizeOptions(samples=1))
    with pytest.raises(DataError, match="for calibration"):
        quantize(tiny_model, write_shapes(tmp_path / "few", 1), tmp_path / "q.onnx")


def histogram(values: np.ndarray) -> Histogram:
    counts, _ = np.histogram(values, bins=2048, range=(values.min(), values.max()))
    return Histogram(float(values.min()), float(values.max()), counts)


def test_min_max_keeps_everything_and_the_others_give_up_an_outlier() -> None:
    values = np.append(np.random.default_rng(0).normal(size=500_000), 60.0)
    ranges = {name: method(histogram(values)) for name, method in METHODS.items()}
    assert ranges["minmax"] == (values.min(), 60.0)
    for name in ("mse", "percentile", "entropy"):
        assert ranges[name][1] < 40, name


def test_values_without_an_outlier_keep_nearly_their_whole_range() -> None:
    values = np.random.default_rng(0).uniform(0, 6, 100_000)
    for name, method in METHODS.items():
        low, high = method(histogram(values))
        assert low < 0.1, name
        assert high > 5.5, name


def test_a_constant_tensor_has_a_range() -> None:
    for method in METHODS.values():
        assert method(Histogram(2.0, 2.0, np.zeros(2048, np.int64))) == (2.0, 2.0)


def test_the_calibrator_sees_what_onnxruntimes_own_sees(tiny_model: Path) -> None:
    """The oracle: every tensor's extremes from one run that keeps them all."""
    model = onnx.load(tiny_model)
    images = np.random.default_rng(3).integers(0, 256, (10, 32, 32, 3), np.uint8)
    histograms = collect_histograms(model, images, Silent().stage(""))
    names = list(histograms)
    for name in names:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(f"{name}", onnx.TensorProto.FLOAT, None)
        ) if name not in (
            "probabilities",
            "embedding",
        ) else None
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, value in zip(names, session.run(names, {"image": images}), strict=True):
        found = histograms[name]
        assert found.lowest == pytest.approx(float(value.min()), abs=1e-5), name
        assert found.highest == pytest.approx(float(value.max()), abs=1e-5), name
        assert found.counts.sum() == value.size, name
    ranges = find_ranges(onnx.load(tiny_model), histograms, "minmax")
    assert len(ranges) > len(histograms)  # what feeds a Relu alone takes the Relu's range


def test_a_kill_while_writing_leaves_the_old_file(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    """SIGKILL between the temporary file and the rename."""
    target = tmp_path / "q.onnx"
    target.write_bytes(b"the old file")
    program = (
        "import os, sys, pathlib\n"
        "import exporters\n"
        "pathlib.Path.replace = lambda self, target: os.kill(os.getpid(), 9)\n"
        "exporters.quantize(sys.argv[1], sys.argv[2], sys.argv[3], exporters.QuantizeOptions(method='minmax', "
        "max_drop=1, min_speedup=0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_model), str(shapes), str(target)],
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -9
    assert target.read_bytes() == b"the old file"


def test_correcting_biases_brings_each_layers_mean_to_the_float_models(tiny_model: Path, shapes: Path) -> None:
    """With weights coarsened to three bits, so that there is something to correct."""
    from edgecnn.data.dataset import find_images
    from edgecnn.data.loading import fitted_batches
    from exporters.graph.partial_runner import PartialRunner
    from exporters.quantization.qdq import to_qdq
    from exporters.quantization.targets import TARGETS

    session = open_session(tiny_model, "cpu")
    model = onnx.load(tiny_model)
    images = next(iter(fitted_batches(find_images(shapes), session.manifest, 40))).images
    ranges = find_ranges(model, collect_histograms(model, images, Silent().stage("")), "minmax")
    coarse = to_qdq(model, ranges, session.manifest.normalization, TARGETS["x86"])
    for tensor in coarse.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1:
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(
                    (onnx.numpy_helper.to_array(tensor) // 32 * 32).astype(np.int8), tensor.name
                )
            )
    corrected = correct_layers(coarse, model, images, Silent().stage(""), rounding=False)
    layers = _layers(coarse, model)
    assert len(layers) == 3
    for layer in layers:
        exact = list(PartialRunner(images).outputs(model, layer.float_output))
        found = [list(PartialRunner(images).outputs(m, layer.node.output[0])) for m in (coarse, corrected)]
        before, after = (_largest_error(_MeanError(layer), exact, f) for f in found)
        assert after < 0.01 < before


def _largest_error(error: _MeanError, exact: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    for pair in zip(exact, found, strict=True):
        error.add(*pair)
    return float(np.abs(error.mean).max())
