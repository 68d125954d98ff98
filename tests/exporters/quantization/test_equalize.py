"""Factors that move from makers to readers: the same answers in float, channels nearer to one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.registry import find_model
from exporters import export_onnx
from exporters.graph.partial_runner import PartialRunner
from exporters.graph.passes import consumers
from exporters.quantization.equalize import _streams, equalize


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)


def _export(name: str, path: Path) -> onnx.ModelProto:
    torch.manual_seed(0)
    spec = find_model(name)
    network = spec.build(3, 32).eval()
    with torch.no_grad():  # untrained channels are all alike
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                factors = torch.logspace(-0.7, 0.7, len(module.weight))
                module.weight *= (factors / factors.square().mean().sqrt())[:, None, None, None]
    record = TrainingRecord(name, "", "", None, None)
    export_onnx(
        network,
        path,
        manifest=Manifest(
            ("a", "b", "c"), InputSpec(32, 32), PreprocessSpec(), spec.normalization, UnknownRule(), record, "t"
        ),
    )
    return onnx.load(path)


def _answers(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(["probabilities"], {"image": images})[0]


@pytest.mark.parametrize("name", ["mobilenetv1_025", "mobilenetv2", "resnet8"])
def test_the_answers_stay_and_the_channels_come_nearer(name: str, images: np.ndarray, tmp_path: Path) -> None:
    model = _export(name, tmp_path / "m.onnx")
    equal = equalize(model, images)
    np.testing.assert_allclose(_answers(equal, images), _answers(model, images), atol=1e-5)
    streams = _streams(model)
    assert streams
    for stream in streams:
        spreads = [_spread(m, stream.tensors, images) for m in (model, equal)]
        assert spreads[1] < 0.8 * spreads[0]


def _spread(model: onnx.ModelProto, names: tuple[str, ...], images: np.ndarray) -> float:
    """Of the logarithm of the channels' largest values."""
    values = [np.concatenate(list(PartialRunner(images).outputs(model, name))) for name in names]
    largest = np.max([np.abs(v).max((0, 2, 3)) for v in values], 0)
    return float(np.log(largest[largest > 0]).std())


def test_nothing_moves_across_a_cap(tmp_path: Path) -> None:
    """What Clip reads or gives is in no stream: ReLU6 caps each channel at 6, whatever its factor."""
    model = _export("mobilenetv2", tmp_path / "m.onnx")
    read = consumers(model.graph)
    capped = {name for node in model.graph.node if node.op_type == "Clip" for name in (*node.input, *node.output)}
    for stream in _streams(model):
        assert not capped & set(stream.tensors)
        assert {r.op_type for name in stream.tensors for r in read[name]} <= {"Conv", "Add", "Relu"}


@pytest.mark.parametrize("how", ["shared", "a Constant node"])
def test_weights_that_are_not_a_layers_own_are_left_alone(how: str, images: np.ndarray, tmp_path: Path) -> None:
    """As in files of other exporters.

    Scaled for one layer, they would be wrong for the other, or not be scaled at all.
    """
    model = _export("resnet8", tmp_path / "m.onnx")
    maker = next(n for stream in _streams(model) for n in stream.makers)
    tensor = next(t for t in model.graph.initializer if t.name == maker.input[1])
    if how == "shared":
        model.graph.node.append(
            onnx.helper.make_node("Identity", [tensor.name], ["weights_seen_elsewhere"], name="other")
        )
        model.graph.output.append(
            onnx.helper.make_tensor_value_info("weights_seen_elsewhere", onnx.TensorProto.FLOAT, list(tensor.dims))
        )
    else:
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [tensor.name], name="constant", value=tensor))
        model.graph.initializer.remove(tensor)
    equal = equalize(model, images)
    np.testing.assert_allclose(_answers(equal, images), _answers(model, images), atol=1e-5)
    if how == "shared":
        seen = [
            onnxruntime.InferenceSession(m.SerializeToString()).run(["weights_seen_elsewhere"], {"image": images})[0]
            for m in (model, equal)
        ]
        np.testing.assert_array_equal(*seen)
