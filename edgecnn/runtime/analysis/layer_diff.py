"""Compares two model files of one network, tensor by tensor, in graph order.

Export and quantization keep tensor names, so equal names mean the same quantity. The tensors of an int8 file are read
after their DequantizeLinear, as the next layer reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgecnn.errors import ModelError
from edgecnn.preprocess import Image
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import filled_batch
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu

__all__ = ["LayerDifference", "compare_layers", "first_parting"]

_AT_ONCE = 16  # tensors fetched in one run: all of them would fill a small device's memory
_BEHIND = "_DequantizeLinear_Output"  # how onnxruntime's quantizer names what comes back to float
_PARTED_DB = 10.0  # int8 tensors stay above 20 dB; another weight, mean or colour falls below 5 at once
_COMPUTING = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Mul",
    "Relu",
    "Clip",
    "GlobalAveragePool",
    "AveragePool",
    "MaxPool",
    "Sub",
    "Div",
    "Softmax",
)


@dataclass(frozen=True)
class LayerDifference:
    """The difference of one tensor between candidate and reference."""

    tensor: str
    operator: str  # that makes it in the reference
    sqnr_db: float  # power of the reference over power of the difference; infinite where they are equal


def compare_layers(reference: str | Path, candidate: str | Path, images: Image) -> tuple[LayerDifference, ...]:
    """Runs both files on the same images and compares every common tensor, in the order of the reference.

    Images of a recurrent model are clips of one frame.

    Args:
        reference, candidate: model files with the input uint8 ``[N, H, W, 3]``, and a state if they are recurrent.
        images: uint8 ``[N, H, W, 3]`` RGB at their input size; a few are enough.

    Raises:
        InputNotFoundError, ModelError: a file cannot be read or run, or the images have another size.
    """
    first, second = _Tensors(reference), _Tensors(candidate)
    shared = [
        (name, operator, behind) for name, operator in first.computed() if (behind := second.name_of(name)) is not None
    ]
    found = []
    for i in range(0, len(shared), _AT_ONCE):
        part = shared[i : i + _AT_ONCE]
        expected = first.values([name for name, _, _ in part], images)
        given = second.values([behind for _, _, behind in part], images)
        found += [
            LayerDifference(name, operator, _sqnr_db(a, b))
            for (name, operator, _), a, b in zip(part, expected, given, strict=True)
            if a.shape == b.shape
        ]
    return tuple(found)


def first_parting(layers: Sequence[LayerDifference]) -> LayerDifference | None:
    """Returns the first tensor from which on the files diverge; None if there is none."""
    return next((layer for layer in layers if layer.sqnr_db < _PARTED_DB), None)


class _Tensors:
    """A model file whose inner tensors can be read."""

    def __init__(self, path: str | Path) -> None:
        file = read_model_file(path)
        admit(file)
        self._path, self._content = file.path, file.content
        self._nodes: list[Any] = list(parse_model(file.content, file.path).graph.node)
        self._names = {name for node in self._nodes for name in node.output}

    def computed(self) -> Iterator[tuple[str, str]]:
        """Yields the names of computed tensors, with their operators."""
        for node in self._nodes:
            if node.op_type in _COMPUTING:
                yield str(node.output[0]), str(node.op_type)

    def name_of(self, name: str) -> str | None:
        """Returns the tensor that corresponds to a tensor of another file."""
        return next((n for n in (name + _BEHIND, name) if n in self._names), None)

    def values(self, names: list[str], images: Image) -> list[NDArray[np.float32]]:
        """Computes the named tensors."""
        model = parse_model(self._content, self._path)
        given = {o.name for o in model.graph.output}
        for name in names:
            if name not in given:
                model.graph.output.add(name=name)
        try:
            session = open_on_cpu(model.SerializeToString(), new_options(severity=SILENT))
            found: list[NDArray[np.float32]] = _run(session, names, images)
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            raise ModelError(f"{self._path}: its layers cannot be read: {ort_reason(error)}") from error
        return found


def _run(session: onnxruntime.InferenceSession, names: list[str], images: Image) -> list[NDArray[np.float32]]:
    """All images at once, or in batches where the graph has a fixed one."""
    value, *states = session.get_inputs()
    size = value.shape[0] if isinstance(value.shape[0], int) else len(images)
    batches = [filled_batch(images[i : i + size], size) for i in range(0, len(images), size)]
    parts = [
        session.run(names, {value.name: batch, **{s.name: _zeros(s.shape, len(batch)) for s in states}})
        for batch in batches
    ]
    return [np.concatenate(values)[: len(images)] for values in zip(*parts, strict=True)]


def _zeros(shape: Sequence[int | str], batch: int) -> NDArray[np.float32]:
    """The state ``[N, S]`` before the first frame."""
    return np.zeros((batch, *map(int, shape[1:])), np.float32)


def _sqnr_db(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> float:
    a, b = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    noise = float(((a - b) ** 2).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(max(float((a**2).sum()), 1e-30) / noise) if math.isfinite(noise) else -math.inf
