"""Takes the mean error of quantization out of each layer by way of its bias.

Rounding weights shifts a channel's mean, and the shifts add up from layer to layer. Layers are corrected in order, each seeing the
already quantized input. The means are taken only over positions where the float value lies inside the activation's open interval: what is
clipped anyway must not pull at the bias (correcting it too shrinks the logits). After Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction" (arXiv 1906.04721), here from pictures and with that gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from exporters.graph import constant, consumers, producers, remove_dead_nodes

__all__ = ["correct_biases"]

_BATCH = 8
_INT32 = 2**31 - 1


@dataclass(frozen=True)
class _Layer:
    """A convolution or linear layer in both models, and the bias that is to change."""

    float_output: str
    int8_output: str
    bias: str  # int32 initializer of the quantized model
    bias_scale: str
    low: float  # open interval in which the activation after it passes values through
    high: float


def correct_biases(quantized: ModelProto, reference: ModelProto, pictures: Image, progress: Progress) -> ModelProto:
    """A copy of a QDQ model whose layers have the means of the float model on some pictures.

    Args:
        quantized: made from ``reference`` by :func:`exporters.qdq.to_qdq`.
        reference: the float model.
        pictures: uint8 ``[N, H, W, 3]`` RGB; 32 are enough.
        progress: told of layers.
    """
    corrected = ModelProto()
    corrected.CopyFrom(quantized)
    layers = _layers(corrected, reference)
    for done, layer in enumerate(layers, 1):  # one by one: three at once left errors as large as they were
        _shift_bias(corrected, layer, _mean_error(corrected, reference, layer, pictures))
        progress(done, len(layers))
    return corrected


def _layers(quantized: ModelProto, reference: ModelProto) -> list[_Layer]:
    """In the order of the graph, those that have an int32 bias in the one and the same name in the other."""
    floats = {node.name: node for node in reference.graph.node if node.op_type in ("Conv", "Gemm")}
    made, used = producers(quantized.graph), consumers(reference.graph)
    found = []
    for node in quantized.graph.node:
        bias = made.get(node.input[2]) if node.op_type in ("Conv", "Gemm") and len(node.input) > 2 else None
        if bias is None or bias.op_type != "DequantizeLinear" or node.name not in floats:
            continue
        low, high = _interval(reference, used[floats[node.name].output[0]])
        found.append(_Layer(floats[node.name].output[0], node.output[0], bias.input[0], bias.input[1], low, high))
    return found


def _interval(reference: ModelProto, readers: Sequence[NodeProto]) -> tuple[float, float]:
    if len(readers) != 1 or readers[0].op_type not in ("Relu", "Clip"):
        return -np.inf, np.inf
    if readers[0].op_type == "Relu":
        return 0.0, np.inf
    low, high = (constant(reference.graph, name) for name in readers[0].input[1:3])
    return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))


def _mean_error(quantized: ModelProto, reference: ModelProto, layer: _Layer, pictures: Image) -> NDArray[np.floating]:
    """Per channel: mean of float less quantized over the gated positions; 0 where there are none."""
    expected, found = _session(reference, layer.float_output), _session(quantized, layer.int8_output)
    total, count = np.zeros(1), np.zeros(1)
    for i in range(0, len(pictures), _BATCH):
        feed = {"image": pictures[i : i + _BATCH]}
        a, b = expected.run(None, feed)[0], found.run(None, feed)[0]
        gate = (a > layer.low) & (a < layer.high)
        axes = (0, *range(2, a.ndim))  # all but the channel
        total = total + ((a - b) * gate).sum(axes, dtype=np.float64)
        count = count + gate.sum(axes, dtype=np.float64)
    return np.asarray(total / np.maximum(count, 1))


def _session(model: ModelProto, output: str) -> onnxruntime.InferenceSession:
    """Computes one tensor and nothing that it does not need."""
    part = ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    remove_dead_nodes(part)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _shift_bias(model: ModelProto, layer: _Layer, shift: NDArray[np.floating]) -> None:
    scale = constant(model.graph, layer.bias_scale)
    assert scale is not None
    for tensor in model.graph.initializer:
        if tensor.name == layer.bias:
            old = numpy_helper.to_array(tensor)
            new = np.clip(old + np.round(shift / scale), -_INT32, _INT32).astype(np.int32)
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
