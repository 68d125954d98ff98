"""Corrects the quantization error of each layer, in graph order, on already quantized inputs.

Two steps a layer:

* Weights of layers with few of them a channel (depthwise ones, the stem), where rounding hurts most, are chosen anew
  (:mod:`exporters.quantization.rounding.weight_rounding`).
* What rounding has moved of a channel's mean, and what adds up from layer to layer, goes into the bias (Nagel et al.,
  "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv 1906.04721, here from images). Only
  positions count at which the float value lies inside the activation's open interval: what is clipped anyway must not
  pull (correcting it too shrinks the logits). For the weights all positions count: with that gate they came out worse
  than plainly rounded.

Each layer is computed once in the float model and once in the quantized one: what leaves a layer is kept, and the next
layer is computed from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.runtime.onnx_file.pair_sums import is_depthwise
from exporters.graph.partial_runner import Collector, PartialRunner, Tensor
from exporters.graph.passes import attribute, constant, consumers, producers, replace_constant
from exporters.quantization.rounding.pair_limit import LEVELS, partners_of
from exporters.quantization.rounding.patch_covariance import PatchCovariance
from exporters.quantization.rounding.weight_rounding import round_weights

__all__ = ["correct_layers"]

Array = NDArray[np.floating]

_INT32 = 2**31 - 1
_BATCHES_FOR_WEIGHTS = (
    4  # of eight images: more gave no more (a mean has to be right to a hundredth of a step, a covariance does not)
)
_FEW = 32  # weights a channel, up to which they are chosen anew


@dataclass(frozen=True)
class _Layer:
    """A convolution or linear layer in both models.

    Names of tensors, those of the quantized model but for ``float_output``.
    """

    node: NodeProto  # of the quantized model
    float_output: str
    float_weight: Array  # [O, ...]
    float_bias: Array  # [O]
    low: float  # open interval in which the activation after it passes values through
    high: float
    weight: str  # int8
    weight_scale: str
    bias: str  # int32
    bias_scale: str
    input_scale: float

    @property
    def rounds(self) -> bool:
        """Whether to choose new weights: there are few per channel, and one scale per channel."""
        node = self.node
        plain = attribute(node, "auto_pad", b"NOTSET") == b"NOTSET" and set(attribute(node, "dilations", [1])) == {1}
        return node.op_type == "Conv" and self.float_weight.ndim == 4 and plain and self.float_weight[0].size <= _FEW


def correct_layers(
    quantized: ModelProto,
    reference: ModelProto,
    images: Image,
    progress: Progress,
    *,
    rounding: bool = True,
    paired: bool = False,
) -> ModelProto:
    """Returns a copy of a QDQ model with corrected layers.

    Args:
        quantized: made from ``reference`` by :func:`exporters.quantization.qdq.to_qdq`.
        reference: the float model.
        images: uint8 ``[N, H, W, 3]`` RGB; 32 are enough.
        progress: receives the number of layers.
        rounding: choose new weights too; else only the biases are corrected.
        paired: keep the sums of pairs of weights within 16 bits, as in ``quantized``.
    """
    walk = _Walk.of(quantized, reference, images)
    exact = PartialRunner(images)
    used = consumers(reference.graph)
    for done, layer in enumerate(walk.layers, 1):
        # one by one: three at once left errors as large as they were
        if rounding and layer.rounds:
            _choose_weights(walk.model, layer, walk.runner, paired=paired)
        output = layer.float_output
        after = _end_of_activation(used, output)
        kept, error = Collector(len(images)), _MeanError(layer)
        for (expected, activated), found in zip(
            exact.batches(reference, [output, after]), walk.outputs(layer), strict=True
        ):
            kept.add(activated)
            error.add(expected, found)
        walk.correct(layer, error.mean, walk.layers[done:])
        if kept.batches is not None:
            exact.store(after, kept.batches)
            exact.keep_for(reference, [later.float_output for later in walk.layers[done:]])
        progress(done, len(walk.layers))
    return walk.model


@dataclass(eq=False)
class _Walk:
    """A quantized model that is corrected from its first layer to its last."""

    model: ModelProto
    layers: list[_Layer]
    runner: PartialRunner
    images: int
    used: Mapping[str, list[NodeProto]]  # correcting changes constants, never nodes
    _output: Collector | None = None

    @staticmethod
    def of(quantized: ModelProto, reference: ModelProto, images: Image) -> _Walk:
        model = ModelProto()
        model.CopyFrom(quantized)
        return _Walk(model, _layers(model, reference), PartialRunner(images), len(images), consumers(model.graph))

    def outputs(self, layer: _Layer) -> Iterator[Tensor]:
        """What the layer computes before it is corrected, batch by batch."""
        self._output = Collector(self.images)
        for batch in self.runner.outputs(self.model, layer.node.output[0]):
            self._output.add(batch)
            yield batch

    def correct(self, layer: _Layer, shift: Array, later: Sequence[_Layer]) -> None:
        """Shifts the bias, and stores what then leaves the layer's activation, as far as later layers need it."""
        moved = _shift_bias(self.model, layer, shift)
        name = layer.node.output[0]
        after = _end_of_activation(self.used, name)
        before = None if self._output is None else self._output.batches
        if before is not None:  # a shifted bias shifts the output: nothing is computed again
            for batch in before:
                np.add(batch, moved.astype(batch.dtype).reshape(-1, *[1] * (batch.ndim - 2)), out=batch)
            self.runner.store(name, before)
        kept = Collector(self.images)
        for batch in self.runner.outputs(self.model, after):
            kept.add(batch)
        if kept.batches is not None:
            self.runner.store(after, kept.batches)
        self.runner.keep_for(self.model, [each.node.output[0] for each in later])


def _end_of_activation(used: Mapping[str, list[NodeProto]], name: str) -> str:
    """The last tensor behind a layer's output that is all that others read of it: clipped, and quantized."""
    while len(used[name]) == 1 and used[name][0].op_type in ("Relu", "Clip", "QuantizeLinear"):
        node = used[name][0]
        if node.input[0] != name:
            break
        name = node.output[0]
        if node.op_type == "QuantizeLinear":
            break
    return name


def _layers(quantized: ModelProto, reference: ModelProto) -> list[_Layer]:
    """Layers in graph order with int8 weights, an int32 bias, and a node of the same name in the float model."""
    floats = {node.name: node for node in reference.graph.node if node.op_type in ("Conv", "Gemm")}
    made, used = producers(quantized.graph), consumers(reference.graph)
    found = []
    for node in quantized.graph.node:
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3 or node.name not in floats:
            continue
        before, weight, bias = (made.get(name) for name in node.input[:3])
        if any(n is None or n.op_type != "DequantizeLinear" for n in (before, weight, bias)):
            continue
        assert before is not None
        assert weight is not None
        assert bias is not None
        float_node = floats[node.name]
        float_weight, float_bias, scale = (
            constant(graph, name)
            for graph, name in (
                (reference.graph, float_node.input[1]),
                (reference.graph, float_node.input[2]),
                (quantized.graph, before.input[1]),
            )
        )
        if float_weight is None or float_bias is None or scale is None:
            continue
        low, high = _interval(reference, used[float_node.output[0]])
        names = (weight.input[0], weight.input[1], bias.input[0], bias.input[1])
        found.append(_Layer(node, float_node.output[0], float_weight, float_bias, low, high, *names, float(scale)))
    return found


def _interval(reference: ModelProto, readers: Sequence[NodeProto]) -> tuple[float, float]:
    if len(readers) != 1 or readers[0].op_type not in ("Relu", "Clip"):
        return -np.inf, np.inf
    if readers[0].op_type == "Relu":
        return 0.0, np.inf
    low, high = (constant(reference.graph, name) for name in readers[0].input[1:3])
    return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))


def _choose_weights(model: ModelProto, layer: _Layer, inputs: PartialRunner, *, paired: bool) -> None:
    """Sets new weights and scales. The bias is in units of the scale, so it is written again too."""
    node, weight = layer.node, layer.float_weight
    pads = attribute(node, "pads", [0, 0, 0, 0])
    covariance = PatchCovariance(weight.shape, attribute(node, "strides", [1, 1]), pads, attribute(node, "group", 1))
    for batch in islice(inputs.outputs(model, node.input[0]), _BATCHES_FOR_WEIGHTS):
        covariance.add(batch)
    flat = weight.reshape(len(weight), -1)
    largest = np.maximum(np.abs(flat).max(1) / LEVELS, 1e-12)
    dense = not is_depthwise(weight, attribute(node, "group", 1))
    partners = partners_of(weight.shape) if paired and dense else ()
    chosen = round_weights(flat, largest, covariance.result(), partners)
    scale = chosen.scales * np.float32(layer.input_scale)
    replace_constant(model.graph, layer.weight, chosen.integers.reshape(weight.shape))
    replace_constant(model.graph, layer.weight_scale, chosen.scales)
    replace_constant(model.graph, layer.bias_scale, scale)
    replace_constant(model.graph, layer.bias, _int32(layer.float_bias / scale))


class _MeanError:
    """Mean difference (float minus quantized) per channel over the gated positions; 0 where there are none."""

    def __init__(self, layer: _Layer) -> None:
        self._low, self._high = layer.low, layer.high
        self._total, self._count = np.zeros(1), np.zeros(1)

    def add(self, exact: Array, rounded: Array) -> None:
        """Both ``[N, C, ...]``."""
        gate = None
        if np.isfinite([self._low, self._high]).any():
            gate = ((exact > self._low) & (exact < self._high)).astype(exact.dtype)
        self._count = self._count + (exact.size / exact.shape[1] if gate is None else _sums(gate, None))
        self._total = self._total + _sums(exact - rounded, gate)

    @property
    def mean(self) -> Array:
        """``[C]``."""
        return np.asarray(self._total / np.maximum(self._count, 1))


def _sums(values: Array, weights: Array | None) -> Array:
    """Of each channel: ``[C]`` from ``[N, C, ...]``."""
    flat = values.reshape(*values.shape[:2], -1)  # [N, C, P]
    of_image = flat.sum(2) if weights is None else np.einsum("ncp,ncp->nc", flat, weights.reshape(flat.shape))
    return np.asarray(of_image.sum(0, dtype=np.float64))


def _shift_bias(model: ModelProto, layer: _Layer, shift: Array) -> Array:
    """Returns by how much the bias was moved, ``[C]``: it is a whole number of steps."""
    scale, old = constant(model.graph, layer.bias_scale), constant(model.graph, layer.bias)
    assert scale is not None
    assert old is not None
    new = _int32(old + shift / scale)
    replace_constant(model.graph, layer.bias, new)
    return np.asarray((new.astype(np.float64) - old) * scale)


def _int32(values: Array) -> NDArray[np.int32]:
    """Rounds to int32. A channel whose weights are all zero has a tiny scale, and a bias that is not finite."""
    values = np.nan_to_num(np.asarray(values, np.float64), posinf=_INT32, neginf=-_INT32)
    return np.clip(np.round(values), -_INT32, _INT32).astype(np.int32)
