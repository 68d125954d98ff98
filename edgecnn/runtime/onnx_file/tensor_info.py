"""Inputs and outputs of a graph, as reports show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["TensorInfo", "tensor_infos"]

_TYPES = {
    1: "float",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "double",
    16: "bfloat16",
}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the graph."""

    name: str
    type: str
    shape: tuple[int | str, ...]  # a text: a dimension's name, `?` where it has none


def tensor_infos(values: Iterable[Any]) -> tuple[TensorInfo, ...]:
    """Of a graph's ``ValueInfoProto``, parsed by the onnx package or by :mod:`edgecnn.runtime.onnx_file.proto`."""
    return tuple(
        TensorInfo(
            v.name,
            _TYPES.get(v.type.tensor_type.elem_type, f"type {v.type.tensor_type.elem_type}"),
            tuple(d.dim_value or d.dim_param or "?" for d in v.type.tensor_type.shape.dim),
        )
        for v in values
    )
