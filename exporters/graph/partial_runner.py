"""Computes tensors of a network one after the other on the same images, without starting again from the images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from edgecnn.preprocess import Image
from edgecnn.runtime.session.model_session import filled_batch
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu
from exporters.graph.passes import producers
from exporters.graph.types import batch_size

__all__ = ["PartialRunner"]

_BATCH = 8
_MAX_BYTES = 2**26  # of a tensor kept for all images


class PartialRunner:
    """Stores one tensor for all images, and computes later tensors from it.

    Each call gets the model, because its weights may change. Weights before the stored tensor must not change any more.
    """

    def __init__(self, images: Image) -> None:
        """Starts at the images, uint8 ``[N, H, W, 3]``."""
        self._name = "image"
        self._values: NDArray[Any] = images

    def advance(self, model: ModelProto, name: str) -> None:
        """Computes and stores a tensor that every later tensor depends on.

        Keeps the stored tensor if the new one is too large to store.
        """
        if name == self._name:
            return
        kept: NDArray[Any] | None = None
        done = 0
        for batch in self.outputs(model, name):
            if kept is None:
                if batch[0].nbytes * len(self._values) > _MAX_BYTES:
                    return
                kept = np.empty((len(self._values), *batch.shape[1:]), batch.dtype)
            kept[done : done + len(batch)] = batch
            done += len(batch)
        assert kept is not None
        self._name, self._values = name, kept

    def outputs(self, model: ModelProto, name: str) -> Iterator[NDArray[Any]]:
        """Yields a tensor batch by batch, as float32 (images: uint8). Only the nodes that it needs are computed."""
        size = batch_size(model, _BATCH)
        fixed = batch_size(model, 0)
        batches = [self._values[i : i + size] for i in range(0, len(self._values), size)]
        if name == self._name:
            yield from batches
            return
        session = _part(model, self._name, name)
        for batch in batches:
            found: Any = session.run(None, {self._name: filled_batch(batch, fixed) if fixed else batch})[0]
            yield np.asarray(found)[: len(batch)]


def _part(model: ModelProto, first: str, last: str) -> onnxruntime.InferenceSession:
    """The nodes between two tensors. Nothing else is copied: a model has up to hundreds of megabytes of weights."""
    graph, made = model.graph, producers(model.graph)
    needed, wanted = {first}, [last]
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            wanted += made[name].input if name in made else ()
    part = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    part.graph.name = graph.name
    part.graph.node.extend(
        node for node in graph.node if first not in node.output and not needed.isdisjoint(node.output)
    )
    part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    if first in made:
        kinds = {v.name: v.type.tensor_type.elem_type for v in graph.value_info}
        kind = kinds.get(first, onnx.TensorProto.FLOAT)
        part.graph.input.append(onnx.helper.make_tensor_value_info(first, kind, None))
    else:
        part.graph.input.extend(value for value in graph.input if value.name == first)
    part.graph.output.append(onnx.ValueInfoProto(name=last))  # onnxruntime infers the type
    return open_on_cpu(part.SerializeToString(), new_options())
