"""Reads a part of a graph as a linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.linear_head import LinearHead
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["read_linear_part"]

_BATCH = 256


def read_linear_part(part: bytes, width: int, batch: int | None = None) -> LinearHead | None:
    """Reads a part with one input ``[N, width]``, or ``[N, width, 1, 1]``, and one output ``[N, C]``.

    It is computed from what the part answers to unit vectors, so weights may be stored in any form.

    Args:
        part: the model of the part.
        width: number of values that it takes.
        batch: the N that it needs; None: any.

    Returns:
        The layer; None where the part is not linear.
    """
    session = open_on_cpu(part, new_options(severity=SILENT))
    size = batch or _BATCH
    bias = _run(session, np.zeros((1, width), np.float32), size, batch)[0]
    # A few at a time: all unit vectors together take the square of the width
    units = (np.eye(min(size, width - start), width, start, np.float32) for start in range(0, width, size))
    rows = np.concatenate([_run(session, few, size, batch) for few in units]) - bias
    head = LinearHead(np.ascontiguousarray(rows.T), bias)
    probe = np.random.default_rng(0).random((4, width), dtype=np.float32) * 3
    expected, found = _run(session, probe, size, batch), head.logits(probe)
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(np.abs(expected).max())):
        return None
    return head


def _run(session: InferenceSession, features: NDArray[np.float32], size: int, batch: int | None) -> NDArray[np.float64]:
    """Runs rows in parts of ``size``; with a fixed ``batch``, the last one is filled up."""
    taken = session.get_inputs()[0]
    found = []
    for start in range(0, len(features), size):
        rows = features[start : start + size]
        filled = rows if batch is None else np.resize(rows, (batch, rows.shape[1]))
        values = filled.reshape(*filled.shape, *[1] * (len(taken.shape) - 2))
        if taken.type == "tensor(float16)":
            values = values.astype(np.float16)
        answer = np.asarray(session.run(None, {taken.name: values})[0], np.float64)
        found.append(answer.reshape(len(filled), -1)[: len(rows)])
    return np.concatenate(found)
