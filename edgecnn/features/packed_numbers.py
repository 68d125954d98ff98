"""Arrays as base64 text, for the JSON records of a model file."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOAT16", "FLOAT32", "INT8", "UINT16", "packed", "unpacked"]

INT8, UINT16, FLOAT16, FLOAT32 = np.dtype("i1"), np.dtype("<u2"), np.dtype("<f2"), np.dtype("<f4")


def packed(values: NDArray[Any], kind: np.dtype[Any]) -> str:
    """Text of the numbers in C order, as this kind."""
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def unpacked(text: str, kind: np.dtype[Any]) -> NDArray[np.float32]:
    """Reads :func:`packed`, as one row of numbers. Other text raises ValueError, and what is no text TypeError."""
    return np.frombuffer(base64.b64decode(text, validate=True), kind).astype(np.float32)
