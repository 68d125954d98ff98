"""How many bits the int8 weights of a model file use, and the same file with the other number.

A weight of seven bits lies in -64 … 63. On x86 processors without VNNI onnxruntime multiplies such weights quickly and
exactly; weights of eight bits take a slower way there (:mod:`edgecnn.runtime.session.ort_options`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.runtime.onnx_file.proto import parse_model

__all__ = ["WeightBits", "weight_bits", "with_weight_bits"]

WeightBits = Literal[7, 8]

_INT8 = 3  # TensorProto.DataType of onnx.proto
_LOWEST, _HIGHEST = -64, 63  # of seven bits


def weight_bits(content: bytes, path: Path) -> WeightBits | None:
    """The bits that the largest int8 weight of a file needs, at least seven; None where it has no int8 weights.

    Args:
        content: the file's bytes.
        path: named in errors.

    Raises:
        ModelError: the bytes are no ONNX model.
    """
    found = [_values(tensor) for tensor in _weights(parse_model(content, path, with_data=True))]
    if not found:
        return None
    return 7 if all(values.min() >= _LOWEST and values.max() <= _HIGHEST for values in found) else 8


def with_weight_bits(content: bytes, bits: WeightBits, path: Path) -> bytes:
    """The file with weights halved to seven bits, or doubled to eight.

    As fast as a file quantized so, its answers of no use.

    Args:
        content: the file's bytes.
        bits: what the weights are to need.
        path: named in errors.

    Raises:
        ModelError: the bytes are no ONNX model.
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
    """int8 tensors of two or more dimensions that hold their values themselves; scales and zero points have fewer."""
    constants = (attribute.t for node in model.graph.node if node.op_type == "Constant" for attribute in node.attribute)
    for tensor in (*model.graph.initializer, *constants):
        if tensor.data_type == _INT8 and len(tensor.dims) >= 2 and (tensor.raw_data or tensor.int32_data):
            yield tensor


def _values(tensor: Any) -> NDArray[np.int16]:
    if tensor.raw_data:
        return np.frombuffer(tensor.raw_data, np.int8).astype(np.int16)
    return np.asarray(tensor.int32_data, np.int16)


def _store(tensor: Any, values: NDArray[np.int16]) -> None:
    tensor.ClearField("int32_data")
    tensor.raw_data = values.astype(np.int8).tobytes()
