"""The stem that reads four pixels as one: the same answers to the bit, on the quick path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from untrained import SIZES

from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.progress import Silent
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import find_model
from exporters import export_onnx
from exporters.quantization.calibrate import collect_histograms, find_ranges
from exporters.quantization.qdq import to_qdq
from exporters.quantization.stem_fold import fold_stem
from exporters.quantization.targets import TARGETS

Model = Callable[[str], onnx.ModelProto]


def _session(model: onnx.ModelProto, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _quantized(model: onnx.ModelProto, normalization: Normalization) -> onnx.ModelProto:
    height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:3])
    images = np.random.default_rng(0).integers(0, 256, (4, height, width, 3), np.uint8)
    ranges = find_ranges(model, collect_histograms(model, images, Silent().stage("")), "minmax")
    return to_qdq(model, ranges, normalization, TARGETS["x86"])


class _Stem(ImageClassifier):
    """A stem of stride two, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(8, 2)

    def features(self, images: Tensor) -> Tensor:
        return self.stem(images)


def _stem(size: int, path: Path) -> onnx.ModelProto:
    torch.manual_seed(0)
    record = TrainingRecord("stem", "", "", None, None)
    manifest = Manifest(
        ("a", "b"), InputSpec(size, size), PreprocessSpec(), Normalization(128, 128.0), UnknownRule(), record, "a test"
    )
    export_onnx(_Stem().eval(), path, manifest=manifest)
    return onnx.load(path)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenetv2", "mobilenetv1_025"])
def test_a_folded_stem_answers_the_same_to_the_bit(name: str, float_model: Model, tmp_path: Path) -> None:
    """TensorFlow's padding and torchvision's."""
    model = _quantized(float_model(name), find_model(name).normalization)
    folded = fold_stem(model)
    assert folded is not None
    images = np.random.default_rng(1).integers(0, 256, (3, SIZES[name], SIZES[name], 3), np.uint8)
    found = _session(folded, tmp_path / "optimized.onnx").run(None, {"image": images})
    for mine, theirs in zip(found, _session(model).run(None, {"image": images}), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    stem = next(n for n in nodes if n.op_type == "QLinearConv")
    assert stem.domain == "com.microsoft"  # channels last: the quick one
    assert [n.op_type for n in nodes if stem.input[0] in n.output] == ["Reshape"]  # no byte of the image moves


def test_a_stem_whose_width_is_no_multiple_of_four_is_left_alone(tmp_path: Path) -> None:
    for size, folds in ((36, True), (34, False)):
        model = _quantized(_stem(size, tmp_path / "m.onnx"), Normalization(128, 128.0))
        assert (fold_stem(model) is not None) == folds


def test_a_stem_of_stride_one_is_left_alone(float_model: Model) -> None:
    assert fold_stem(_quantized(float_model("resnet8"), find_model("resnet8").normalization)) is None
