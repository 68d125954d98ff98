"""Cross-layer equalization: makes the ranges of the channels of a tensor similar, so that one scale suits all of them.

One scale holds a whole activation in int8, and a channel a tenth as large as the largest has 25 levels left. Where
nothing but additions (and Relu, which scales along) lies between the convolutions that make a tensor and those that
read it, a factor a channel can move from the ones to the others: the network stays the same in float. That is
cross-layer equalization (Nagel et al., arXiv 1906.04721), taken where the bottlenecks of inverted residuals are linear;
across ReLU6, which caps each channel at the same value, it must not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgecnn.preprocess import Image
from exporters.graph.partial_runner import PartialRunner
from exporters.graph.passes import attribute, constant, consumers, producers, replace_constant

__all__ = ["equalize"]

_CARRIES = ("Add", "Relu")
_STRENGTH = 0.5  # 1: all channels alike; half way, since the readers' weights pay for it
_MOST = 8.0  # a factor's largest distance from 1


@dataclass(frozen=True)
class _Stream:
    """Tensors that additions connect, so that they share their channel factors."""

    tensors: tuple[str, ...]
    makers: tuple[NodeProto, ...]
    readers: tuple[NodeProto, ...]


def equalize(model: ModelProto, images: Image) -> ModelProto:
    """The same network with its linear streams equalized.

    Args:
        model: a float model with constant weights; left as it is.
        images: uint8 ``[N, H, W, 3]``, which show how large each channel gets.
    """
    found = ModelProto()
    found.CopyFrom(model)
    streams = _streams(found)
    # Of the model as it is: one stream's factors leave the tensors of the others alone
    of_tensors = _largest(model, images, sorted({name for stream in streams for name in stream.tensors}))
    for stream in streams:
        largest = np.max([of_tensors[name] for name in stream.tensors], 0)
        if largest.max() > 0:
            _scale(found, stream, _factors(largest))
    return found


def _streams(model: ModelProto) -> list[_Stream]:
    made, read = producers(model.graph), consumers(model.graph)
    outputs = {o.name for o in model.graph.output}
    seen: set[str] = set()
    found = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.output[0] in seen:
            continue
        tensors, waiting = set[str](), [node.output[0]]
        whole = True
        while waiting:
            name = waiting.pop()
            if name in tensors:
                continue
            tensors.add(name)
            maker = made.get(name)
            whole &= name not in outputs and maker is not None and maker.op_type in ("Conv", *_CARRIES)
            if maker is not None and maker.op_type in _CARRIES:
                waiting += maker.input
            for reader in read[name]:
                if reader.op_type in _CARRIES:
                    waiting += reader.output
                else:
                    whole &= reader.op_type == "Conv" and reader.input[0] == name and _takes_factors(model, reader)
        seen |= tensors
        readers = [r for name in tensors for r in read[name] if r.op_type == "Conv"]
        makers = [made[name] for name in tensors if name in made and made[name].op_type == "Conv"]
        if whole and readers and all(_owns_its_weights(model, n, read) for n in (*makers, *readers)):
            found.append(_Stream(tuple(sorted(tensors)), tuple(makers), tuple(readers)))
    return found


def _owns_its_weights(model: ModelProto, node: NodeProto, read: Mapping[str, list[NodeProto]]) -> bool:
    """Whether no other node reads the weights: weights that two layers share cannot be scaled for one of them."""
    initializers = {t.name for t in model.graph.initializer}
    return all(name in initializers and len(read[name]) == 1 for name in node.input[1:3])


def _takes_factors(model: ModelProto, reader: NodeProto) -> bool:
    """Whether the convolution is dense, or depthwise with one output per channel."""
    weight, groups = constant(model.graph, reader.input[1]), attribute(reader, "group", 1)
    return weight is not None and weight.ndim == 4 and (groups == 1 or groups == len(weight))


def _largest(model: ModelProto, images: Image, names: Sequence[str]) -> dict[str, NDArray[np.floating]]:
    """The largest absolute value of each channel of each tensor; one value in a thousand may lie above."""
    found: dict[str, NDArray[np.floating]] = {}
    for batch in PartialRunner(images).batches(model, names) if names else ():
        for name, values in zip(names, batch, strict=True):  # [N, C, H, W]
            of_channel = np.abs(values).transpose(1, 0, 2, 3).reshape(values.shape[1], -1)
            largest = np.quantile(of_channel, 0.999, axis=1)
            found[name] = np.maximum(found.get(name, 0), largest)
    return found


def _factors(largest: NDArray[np.floating]) -> NDArray[np.float32]:
    usual = np.exp(np.mean(np.log(np.maximum(largest, 1e-6 * largest.max()))))
    factors = np.clip((usual / np.maximum(largest, 1e-12)) ** _STRENGTH, 1 / _MOST, _MOST)
    return np.asarray(factors, np.float32)


def _scale(model: ModelProto, stream: _Stream, factors: NDArray[np.float32]) -> None:
    graph = model.graph
    for node in stream.makers:
        for name in node.input[1:3]:  # weights [O, ...], and a bias [O] where there is one
            value = constant(graph, name)
            assert value is not None
            replace_constant(graph, name, value * factors.reshape(-1, *[1] * (value.ndim - 1)))
    for node in stream.readers:
        weight = constant(graph, node.input[1])
        assert weight is not None
        depthwise = attribute(node, "group", 1) > 1
        replace_constant(
            graph, node.input[1], weight / (factors[:, None, None, None] if depthwise else factors[None, :, None, None])
        )
