"""Determines whether the int8 weights of a model file use seven or eight bits, and converts between the two.

A 7-bit weight lies in -64 … 63. On x86 processors without VNNI, onnxruntime multiplies such weights fast and exactly;
8-bit weights need slower kernels there (:mod:`edgecnn.runtime.session.ort_options`), unless no pair of them can
saturate (:mod:`edgecnn.runtime.onnx_file.pair_sums`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.runtime.onnx_file.proto import INT8, parse_model

__all__ = ["WeightBits", "weight_bits", "with_weight_bits"]

WeightBits = Literal[7, 8]

_LOWEST, _HIGHEST = -64, 63  # of seven bits


def weight_bits(content: bytes, path: Path) -> WeightBits | None:
    """Returns the number of bits of the largest int8 weight, 7 or 8; None if the file has no int8 weights.

    Args:
        content: the bytes of the file.
        path: name of the file in error messages.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    found = [_values(tensor) for tensor in _weights(parse_model(content, path, with_data=True))]
    if not found:
        return None
    return 7 if all(values.min() >= _LOWEST and values.max() <= _HIGHEST for values in found) else 8


def with_weight_bits(content: bytes, bits: WeightBits, path: Path) -> bytes:
    """Returns the file with its weights halved to seven bits or doubled to eight, for timing only.

    It is as fast as a file quantized that way, but its outputs are wrong.

    Args:
        content: the bytes of the file.
        bits: number of bits of the new weights.
        path: name of the file in error messages.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    model = parse_model(content, path, with_data=True)
    for tensor in _weights(model):
        values = _values(tensor)
        is_narrow = values.min() >= _LOWEST and values.max() <= _HIGHEST
        if bits == 7 and not is_narrow:
            _store(tensor, values >> 1)
        elif bits == 8 and is_narrow:
            _store(tensor, np.where(values >= 0, 127, -127))
    written: bytes = model.SerializeToString()
    return written


def _weights(model: Any) -> Iterator[Any]:
    """Yields int8 tensors with inline data and at least two dimensions; zero points have fewer."""
    constants = (attribute.t for node in model.graph.node if node.op_type == "Constant" for attribute in node.attribute)
    for tensor in (*model.graph.initializer, *constants):
        if tensor.data_type == INT8 and len(tensor.dims) >= 2 and (tensor.raw_data or tensor.int32_data):
            yield tensor


def _values(tensor: Any) -> NDArray[np.int16]:
    if tensor.raw_data:
        return np.frombuffer(tensor.raw_data, np.int8).astype(np.int16)
    return np.asarray(tensor.int32_data, np.int16)


def _store(tensor: Any, values: NDArray[np.int16]) -> None:
    tensor.ClearField("int32_data")
    tensor.raw_data = values.astype(np.int8).tobytes()
