"""Factors that move from makers to readers: the same answers in float, channels nearer to one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest

from exporters.graph.partial_runner import PartialRunner
from exporters.graph.passes import consumers
from exporters.quantization.equalize import _streams, equalize

Model = Callable[[str], onnx.ModelProto]


def _images(model: onnx.ModelProto) -> np.ndarray:
    height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:3])
    return np.random.default_rng(0).integers(0, 256, (8, height, width, 3), np.uint8)


def _uneven(model: onnx.ModelProto) -> onnx.ModelProto:
    """Channels of every convolution a hundred times as large as one another: untrained ones are all alike."""
    tensors = {t.name: t for t in model.graph.initializer}
    for weight in [tensors[n.input[1]] for n in model.graph.node if n.op_type == "Conv"]:
        values = onnx.numpy_helper.to_array(weight)
        factors = np.logspace(-0.7, 0.7, len(values)).astype(np.float32)
        factors /= np.sqrt((factors**2).mean())
        weight.CopyFrom(onnx.numpy_helper.from_array(values * factors[:, None, None, None], weight.name))
    return model


def _answers(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(["probabilities"], {"image": images})[0]


@pytest.mark.parametrize("name", ["mobilenetv1_025", "mobilenetv2", "resnet8"])
def test_the_answers_stay_and_the_channels_come_nearer(name: str, float_model: Model) -> None:
    model = _uneven(float_model(name))
    images = _images(model)
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


def test_nothing_moves_across_a_cap(float_model: Model) -> None:
    """What Clip reads or gives is in no stream: ReLU6 caps each channel at 6, whatever its factor."""
    model = float_model("mobilenetv2")
    read = consumers(model.graph)
    capped = {name for node in model.graph.node if node.op_type == "Clip" for name in (*node.input, *node.output)}
    for stream in _streams(model):
        assert not capped & set(stream.tensors)
        assert {r.op_type for name in stream.tensors for r in read[name]} <= {"Conv", "Add", "Relu"}


@pytest.mark.parametrize("how", ["shared", "a Constant node"])
def test_weights_that_are_not_a_layers_own_are_left_alone(how: str, float_model: Model) -> None:
    """As in files of other exporters.

    Scaled for one layer, they would be wrong for the other, or not be scaled at all.
    """
    model = _uneven(float_model("resnet8"))
    images = _images(model)
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
