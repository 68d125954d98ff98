"""Tells whether int8 sums stay exact on x86 processors without VNNI, where pairs of products are added in 16 bits.

There onnxruntime's fast kernels multiply uint8 by int8 and add two neighbouring products in one instruction
(``vpmaddubsw``), which saturates: 255 (a + b) has to stay below 2**15. Seven-bit weights always do. Eight-bit weights
do too where the positive weights of no pair sum up to more than 128, nor the negative ones to less than -128.
Neighbours are two input channels at the same tap (``ConvSymKernelAvx2.S`` and ``QgemmU8X8KernelAvx2.S`` of
onnxruntime's MLAS). Depthwise convolutions are added in 32 bits, whatever their weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelError
from edgecnn.runtime.onnx_file.proto import INT8, parse_model

__all__ = ["LARGEST_SUM", "convolution_rows", "is_depthwise", "is_exact", "pair_phases", "pairs"]

LARGEST_SUM = 128
"""Of the positive weights of a pair, and of the negative ones without their sign."""

_NARROW = 64  # weights up to this never exceed the sum

Readers = Mapping[str, list[tuple[Any, int]]]
"""Nodes that read a tensor, with the place among their inputs."""


def is_exact(content: bytes, path: Path) -> bool:
    """Whether the int8 sums of a file cannot saturate. False if it has no int8 weights, or it cannot be told.

    Args:
        content: the bytes of the file.
        path: its name, for messages.
    """
    if not any(name in content for name in (b"DequantizeLinear", b"QLinear")):  # float files are not parsed
        return False
    try:
        model = parse_model(content, path, with_data=True)
    except ModelError:
        return False
    graph = model.graph
    hidden = any(a.g or a.graphs or a.t.data_type == INT8 for node in graph.node for a in node.attribute)
    weights = [tensor for tensor in graph.initializer if tensor.data_type == INT8 and len(tensor.dims) >= 2]
    if hidden or model.functions or not weights:
        return False
    readers: dict[str, list[tuple[Any, int]]] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, place))
    return all(_fits(tensor, readers) for tensor in weights)


def convolution_rows(weight: NDArray[Any]) -> NDArray[Any]:
    """``[O, C, kH, kW]`` -> ``[O, kH kW C]``, a row a channel in the order that it is multiplied in."""
    return np.moveaxis(weight, 1, -1).reshape(len(weight), -1)


def is_depthwise(weight: NDArray[np.generic], groups: int) -> bool:
    """Whether a convolution has one input and one output channel a group: onnxruntime adds its products in 32 bits."""
    return groups > 1 and groups == len(weight) and weight.shape[1] == 1


def pair_phases(channels: int) -> tuple[int, ...]:
    """Where pairs begin in a row. With an odd number of channels any two neighbours may be one."""
    return (0, 1) if channels % 2 else (0,)


def pairs(rows: NDArray[Any], phase: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and second weight of each pair: views of ``rows`` ``[..., K]``."""
    end = phase + (rows.shape[-1] - phase) // 2 * 2
    return rows[..., phase:end:2], rows[..., phase + 1 : end : 2]


def _fits(tensor: Any, readers: Readers) -> bool:
    values = _values(tensor)
    if values is None:
        return False
    if values.size == 0 or (values.min() >= -_NARROW and values.max() <= _NARROW):
        return True
    layers = list(_layers(tensor.name, readers))
    return bool(layers) and all(_layer_fits(node, place, values) for node, place in layers)


def _layers(name: str, readers: Readers) -> Iterator[tuple[Any, int]]:
    """The nodes that multiply by a tensor."""
    for node, place in readers.get(name, []):
        if node.op_type == "DequantizeLinear" and place == 0:
            yield from readers.get(node.output[0], [])
        else:
            yield node, place


def _layer_fits(node: Any, place: int, weight: NDArray[np.int16]) -> bool:
    numbers = {a.name: a.i for a in node.attribute}
    if (node.op_type, place) in (("Conv", 1), ("QLinearConv", 3)):
        if is_depthwise(weight, numbers.get("group", 1)):
            return True
        return _sums_fit(convolution_rows(weight), weight.shape[1])
    if (node.op_type, place) in (("Gemm", 1), ("MatMul", 1)) and weight.ndim == 2:
        rows = weight if numbers.get("transB", 0) else weight.T
        return _sums_fit(rows, rows.shape[1])
    return False


def _sums_fit(rows: NDArray[np.int16], channels: int) -> bool:
    for phase in pair_phases(channels):
        first, second = pairs(rows, phase)
        for sign in (1, -1):
            sums = np.maximum(sign * first, 0) + np.maximum(sign * second, 0)
            if sums.size and sums.max() > LARGEST_SUM:
                return False
    return True


def _values(tensor: Any) -> NDArray[np.int16] | None:
    """None where the file does not hold them itself."""
    if tensor.external_data or len(tensor.raw_data or tensor.int32_data) != int(np.prod(tensor.dims)):
        return None
    flat = np.frombuffer(tensor.raw_data, np.int8) if tensor.raw_data else np.asarray(tensor.int32_data, np.int8)
    return flat.astype(np.int16).reshape(tuple(tensor.dims))
