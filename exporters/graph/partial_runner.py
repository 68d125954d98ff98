"""Computes tensors of a network one after the other on the same images, without starting again from the images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgecnn.preprocess import Image
from edgecnn.runtime.session.model_session import filled_batch
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu
from exporters.graph.passes import producers
from exporters.graph.types import batch_size

__all__ = ["Collector", "PartialRunner", "Tensor"]

_BATCH = 8
_MAX_BYTES = 2**27  # of a tensor kept for all images

Tensor = NDArray[Any]


class PartialRunner:
    """Stores some tensors for all images, and computes later tensors from them.

    Each call gets the model, because its weights may change. Weights before the stored tensors must not change any
    more.
    """

    def __init__(self, images: Image) -> None:
        """Starts at the images, uint8 ``[N, H, W, 3]``."""
        self._images = images
        self._stored: dict[str, Sequence[Tensor]] = {}

    @property
    def stored(self) -> Collection[str]:
        """Names of the stored tensors."""
        return self._stored.keys()

    def store(self, name: str, batches: Sequence[Tensor]) -> None:
        """Stores a tensor, batch by batch as it came: what is computed later starts there."""
        self._stored[name] = batches

    def keep_for(self, model: ModelProto, later: Iterable[str]) -> None:
        """Drops the stored tensors that these tensors do not need."""
        made = producers(model.graph)
        needed = _between(made, self._stored, later)[1]
        self._stored = {name: values for name, values in self._stored.items() if name in needed}

    def outputs(self, model: ModelProto, name: str) -> Iterator[Tensor]:
        """Yields a tensor batch by batch, as float32 (images: uint8). Only the nodes that it needs are computed."""
        for (found,) in self.batches(model, [name]):
            yield found

    def batches(self, model: ModelProto, names: Sequence[str]) -> Iterator[list[Tensor]]:
        """Yields tensors batch by batch."""
        size, fixed = batch_size(model, _BATCH), batch_size(model, 0)
        images = [self._images[i : i + size] for i in range(0, len(self._images), size)]
        known: dict[str, Sequence[Tensor]] = {"image": images, **self._stored}
        wanted = [name for name in names if name not in known]
        session = _part(model, known, wanted) if wanted else None
        inputs = [] if session is None else [value.name for value in session.get_inputs()]
        for i, batch in enumerate(images):
            found = {name: known[name][i] for name in names if name in known}
            if session is not None:
                feeds = {name: _filled(known[name][i], fixed) for name in inputs}
                outputs: Any = session.run(wanted, feeds)
                found |= {name: np.asarray(value)[: len(batch)] for name, value in zip(wanted, outputs, strict=True)}
            yield [found[name] for name in names]


class Collector:
    """Keeps the batches of a tensor, where all of them are few enough bytes."""

    def __init__(self, images: int) -> None:
        """``images`` are those of all batches."""
        self._images = images
        self._kept: list[Tensor] | None = []

    def add(self, batch: Tensor) -> None:
        """Takes the next batch. It is not copied."""
        if self._kept is not None and batch[0].nbytes * self._images <= _MAX_BYTES:
            self._kept.append(batch)
        else:
            self._kept = None

    @property
    def batches(self) -> list[Tensor] | None:
        """All batches; None where they are too many bytes."""
        return self._kept


def _filled(batch: Tensor, fixed: int) -> Tensor:
    return filled_batch(batch, fixed) if fixed else batch


def _between(made: dict[str, NodeProto], first: Collection[str], last: Iterable[str]) -> tuple[set[str], set[str]]:
    """Names of the tensors on the way to ``last``, and of those of ``first`` that it begins at."""
    inside, begins, wanted = set[str](), set[str](), list(last)
    while wanted:
        name = wanted.pop()
        if name in first:
            begins.add(name)
        elif name not in inside:
            inside.add(name)
            wanted += made[name].input if name in made else ()
    return inside, begins


def _part(model: ModelProto, first: Collection[str], last: Sequence[str]) -> onnxruntime.InferenceSession:
    """The nodes between tensors. Nothing else is copied: a model has up to hundreds of megabytes of weights."""
    graph = model.graph
    inside, begins = _between(producers(graph), first, last)
    part = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    part.graph.name = graph.name
    part.graph.node.extend(node for node in graph.node if not inside.isdisjoint(node.output))
    part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in inside)
    kinds = {v.name: v.type.tensor_type.elem_type for v in graph.value_info}
    for name in sorted(begins):
        own = [value for value in graph.input if value.name == name]
        kind = kinds.get(name, onnx.TensorProto.FLOAT)
        part.graph.input.extend(own or [onnx.helper.make_tensor_value_info(name, kind, None)])
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in last)  # onnxruntime infers the types
    content = part.SerializeToString()
    return open_on_cpu(content, new_options(content=content))
