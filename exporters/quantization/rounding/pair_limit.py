"""Eight-bit weights whose sums of two products stay within 16 bits, for x86 processors without VNNI.

The usual remedy there is seven bits for every weight. But only two neighbours that are large together, with one sign,
exceed 16 bits (:mod:`edgecnn.runtime.onnx_file.pair_sums`): few weights are near the largest of their channel. So a
channel takes the scale between eight and seven bits that lets its pairs in with the least error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgecnn.runtime.onnx_file.pair_sums import LARGEST_SUM, convolution_rows, is_depthwise, pair_phases, pairs
from exporters.graph.passes import attribute, constant, producers, replace_constant

__all__ = ["LEVELS", "hold_partners", "limit_pairs", "partners_of", "room"]

LEVELS = 127
"""Largest weight in int8; its negative is the smallest."""

_COARSER = np.linspace(1.0, 2.0, 11)  # scales tried, of that of eight bits; twice as coarse are seven
_LEAST = 1e-12  # of a scale: a channel may be all zero


@dataclass(frozen=True)
class _Weights:
    """A layer's weights as rows, and the names of what they are stored in."""

    node: NodeProto
    rows: NDArray[np.floating]  # [O, K], float
    channels: int
    shape: tuple[int, ...]
    turned: bool  # the stored matrix is [K, O]
    names: tuple[str, str]  # integers, scales

    def stored(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Rows in the shape of the file."""
        if len(self.shape) == 2:
            return np.ascontiguousarray(rows.T if self.turned else rows)
        outputs, channels, *kernel = self.shape
        return np.ascontiguousarray(np.moveaxis(rows.reshape(outputs, *kernel, channels), -1, 1))


def limit_pairs(quantized: ModelProto, reference: ModelProto) -> None:
    """Rounds the weights of a QDQ model again, so that no pair exceeds 16 bits. Biases follow the new scales.

    Args:
        quantized: made from ``reference`` by :func:`exporters.quantization.qdq.to_qdq`; changed in place.
        reference: the float model.
    """
    made = producers(quantized.graph)
    for layer in _dense_layers(quantized, reference):
        old = constant(quantized.graph, layer.names[1])
        assert old is not None
        integers, scales = _round(layer.rows, pair_phases(layer.channels), together=old.ndim == 0)
        replace_constant(quantized.graph, layer.names[0], layer.stored(integers))
        new = scales if old.ndim else scales.max()
        replace_constant(quantized.graph, layer.names[1], np.asarray(new, np.float32))
        _follow_with_bias(quantized, reference, made, layer.node, np.asarray(new, np.float32))


def partners_of(weight_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """For each weight of a channel, by its place in the file, the places of those that it may be paired with."""
    size = int(np.prod(weight_shape[1:]))
    places = convolution_rows(np.arange(size).reshape(1, *weight_shape[1:]))[0]
    found: list[list[int]] = [[] for _ in range(size)]
    for phase in pair_phases(weight_shape[1]):
        for a, b in zip(*pairs(places, phase), strict=True):
            found[a].append(int(b))
            found[b].append(int(a))
    return tuple(tuple(each) for each in found)


def hold_partners(integers: NDArray[np.floating], partners: tuple[tuple[int, ...], ...]) -> None:
    """Brings pairs of ``[..., K]`` within the sum, in place: both give way alike."""
    for k, others in enumerate(partners):
        for other in others:
            if other > k:
                hold_pairs(integers[..., k : k + 1], integers[..., other : other + 1])


def room(integers: NDArray[np.floating], others: tuple[int, ...]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Lowest and highest integer of a weight beside what its partners are, each ``[...]`` for ``[..., K]``."""
    low, high = np.full(integers.shape[:-1], -float(LEVELS)), np.full(integers.shape[:-1], float(LEVELS))
    for other in others:
        high = np.minimum(high, LARGEST_SUM - np.maximum(integers[..., other], 0))
        low = np.maximum(low, np.maximum(-integers[..., other], 0) - LARGEST_SUM)
    return low, high


def hold_pairs(first: NDArray[np.floating], second: NDArray[np.floating]) -> None:
    """As :func:`hold_partners`, for views of the first and the second weights of pairs."""
    for sign in (1, -1):
        excess = np.maximum(np.maximum(sign * first, 0) + np.maximum(sign * second, 0) - LARGEST_SUM, 0)
        half = np.floor(excess / 2)
        first -= sign * (excess - half)
        second -= sign * half


def _dense_layers(quantized: ModelProto, reference: ModelProto) -> Iterator[_Weights]:
    made = producers(quantized.graph)
    floats = {node.name: node for node in reference.graph.node}
    for node in quantized.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.name not in floats:
            continue
        dequantize = made.get(node.input[1])
        weight = constant(reference.graph, floats[node.name].input[1])
        if dequantize is None or dequantize.op_type != "DequantizeLinear" or weight is None:
            continue
        integers = constant(quantized.graph, dequantize.input[0])
        if integers is None or integers.shape != weight.shape or integers.dtype != np.int8:
            continue
        names = (dequantize.input[0], dequantize.input[1])
        if node.op_type == "Conv":
            if not is_depthwise(weight, attribute(node, "group", 1)):
                yield _Weights(node, convolution_rows(weight), weight.shape[1], weight.shape, False, names)
        elif weight.ndim == 2:
            turned = node.op_type == "MatMul" or not attribute(node, "transB", 0)
            rows = weight.T if turned else weight
            yield _Weights(node, rows, rows.shape[1], weight.shape, turned, names)


def _round(
    rows: NDArray[np.floating], phases: tuple[int, ...], *, together: bool
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers ``[O, K]`` and scales ``[O]``, all alike if ``together``."""
    exact = np.asarray(rows, np.float32)
    largest = np.abs(exact).max(1)
    if together:
        largest[:] = largest.max()
    finest = np.maximum(largest / LEVELS, _LEAST)
    best = np.full(len(exact), np.inf)
    integers, scales = np.zeros(exact.shape, np.int8), np.zeros(len(exact), np.float32)
    for factor in _COARSER:
        step = (factor * finest).astype(np.float32)
        tried = np.round(exact / step[:, None])
        for phase in phases:
            hold_pairs(*pairs(tried, phase))
        error = ((tried * step[:, None] - exact) ** 2).sum(1, dtype=np.float64)
        better = error < best if not together else np.full(len(exact), error.sum() < best.sum())
        best[better], integers[better], scales[better] = error[better], tried[better].astype(np.int8), step[better]
    return integers, scales


def _follow_with_bias(
    quantized: ModelProto,
    reference: ModelProto,
    made: Mapping[str, NodeProto],  # nodes of the quantized model by what they produce
    node: NodeProto,
    scale: NDArray[np.float32],
) -> None:
    """An int32 bias is in units of the input's scale times that of the weights."""
    inputs, bias = made.get(node.input[0]), made.get(node.input[2]) if len(node.input) > 2 else None
    if inputs is None or bias is None or bias.op_type != "DequantizeLinear":
        return
    floats = next(n for n in reference.graph.node if n.name == node.name)
    value, input_scale = constant(reference.graph, floats.input[2]), constant(quantized.graph, inputs.input[1])
    assert value is not None
    assert input_scale is not None
    unit = scale * np.float32(input_scale)
    most = 2**31 - 1
    steps = np.clip(np.round(value.astype(np.float64) / unit), -most, most)
    replace_constant(quantized.graph, bias.input[0], steps.astype(np.int32))
    old = constant(quantized.graph, bias.input[1])
    assert old is not None
    replace_constant(quantized.graph, bias.input[1], np.broadcast_to(unit, old.shape).astype(np.float32).copy())
