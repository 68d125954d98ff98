"""The stem that reads four pixels as one: the same answers to the bit, on the quick path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.progress import Silent
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.models.registry import find_model
from exporters import export_onnx
from exporters.quantization.calibrate import collect_histograms, find_ranges
from exporters.quantization.qdq import to_qdq
from exporters.quantization.stem_fold import fold_stem
from exporters.quantization.targets import TARGETS


def _session(model: onnx.ModelProto, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _quantized(name: str, size: int, folder: Path) -> onnx.ModelProto:
    torch.manual_seed(0)
    path, spec = folder / f"{name}.onnx", find_model(name)
    record = TrainingRecord(name, "", "", None, None)
    manifest = Manifest(
        ("a", "b"), InputSpec(size, size), PreprocessSpec(), spec.normalization, UnknownRule(), record, "a test"
    )
    export_onnx(spec.build(2, size).eval(), path, manifest=manifest)
    model = onnx.load(path)
    images = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), np.uint8)
    ranges = find_ranges(model, collect_histograms(model, images, Silent().stage("")), "minmax")
    return to_qdq(model, ranges, open_session(path, "cpu").manifest.normalization, TARGETS["x86"])


@pytest.mark.parametrize(("name", "size"), [("efficientnet_lite0", 32), ("mobilenetv2", 36), ("mobilenetv1_025", 48)])
def test_a_folded_stem_answers_the_same_to_the_bit(name: str, size: int, tmp_path: Path) -> None:
    """TensorFlow's padding and torchvision's."""
    model = _quantized(name, size, tmp_path)
    folded = fold_stem(model)
    assert folded is not None
    images = np.random.default_rng(1).integers(0, 256, (3, size, size, 3), np.uint8)
    found = _session(folded, tmp_path / "optimized.onnx").run(None, {"image": images})
    for mine, theirs in zip(found, _session(model).run(None, {"image": images}), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    stem = next(n for n in nodes if n.op_type == "QLinearConv")
    assert stem.domain == "com.microsoft"  # channels last: the quick one
    assert [n.op_type for n in nodes if stem.input[0] in n.output] == ["Reshape"]  # no byte of the image moves


@pytest.mark.parametrize(("name", "size"), [("efficientnet_lite0", 34), ("resnet8", 32)])
def test_a_stem_that_cannot_be_folded_is_left_alone(name: str, size: int, tmp_path: Path) -> None:
    """A width that is no multiple of four; a stride of one."""
    assert fold_stem(_quantized(name, size, tmp_path)) is None
