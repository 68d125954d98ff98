"""Finds the feature map that the classifier of a graph averages.

In the graph, all paths from the image to the logits pass a few single tensors. Where one of them is a global average,
the tensor before it is the feature map.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.runtime.onnx_file.graph_parts import needed_nodes
from edgecnn.runtime.onnx_file.proto import INT64

__all__ = ["FeatureMap", "NoMapError", "find_feature_map"]

_SHAPES_ONLY = frozenset(("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout"))
_ROUNDING = frozenset(("QuantizeLinear", "DequantizeLinear"))
_IMAGE, _PROBABILITIES = "image", "probabilities"


class NoMapError(Exception):
    """The graph gives no class-activation map. The message is the reason, in one line."""


@dataclass(frozen=True)
class FeatureMap:
    """Names of tensors."""

    values: str  # the feature map
    channels_last: bool  # [N, h, w, C]; else [N, C, h, w]
    features: str  # its averages, as the classifier takes them
    logits: str


@dataclass(frozen=True)
class _Step:
    """A tensor that all paths pass."""

    tensor: str
    node: Any  # that computes it


def find_feature_map(model: Any) -> FeatureMap:
    """Finds it.

    Args:
        model: the graph, read with its data.

    Raises:
        NoMapError: there is none, or what lies behind it is no plain average.
    """
    graph = model.graph
    logits = _logits(graph)
    steps = _single_steps(needed_nodes(graph.node, logits))
    pools = [(i, found) for i, step in enumerate(steps) if (found := _average(step.node, graph)) is not None]
    if not pools:
        raise NoMapError("its classifier takes no average over the positions of a feature map")
    place, channels_last = pools[-1]
    features = steps[place].tensor
    for step in steps[place + 1 :]:
        kind = step.node.op_type
        if kind not in _SHAPES_ONLY | _ROUNDING:
            break
        if kind != "QuantizeLinear":
            features = step.tensor
    return FeatureMap(steps[place].node.input[0], channels_last, features, logits)


def _logits(graph: Any) -> str:
    """The tensor before the softmax, or before the sigmoid of one logit."""
    of = {name: node for node in graph.node for name in node.output}

    def back(name: str) -> Any:
        node = of.get(name)
        while node is not None and node.op_type in _SHAPES_ONLY:
            node = of.get(node.input[0])
        return node

    last = back(_PROBABILITIES)
    if last is not None and last.op_type == "Concat" and len(last.input) == 2:  # 1 - p and p
        last = back(last.input[1])
    if last is None or last.op_type not in ("Softmax", "Sigmoid"):
        raise NoMapError("its probabilities come from no softmax, so it has no logits to explain")
    name: str = last.input[0]
    return name


def _single_steps(nodes: Iterable[Any]) -> list[_Step]:
    """The tensors that all paths from the image to the last node pass, in their order."""
    nodes = list(nodes)
    last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
    of_image, open_tensors, found = {_IMAGE}, {_IMAGE}, []
    for i, node in enumerate(nodes):
        if of_image.isdisjoint(node.input):
            continue
        of_image.update(node.output)
        open_tensors = {name for name in open_tensors if last_use.get(name, -1) > i}
        open_tensors |= {name for name in node.output if last_use.get(name, len(nodes)) > i}
        if len(open_tensors) == 1:
            (name,) = open_tensors
            if name in node.output:
                found.append(_Step(name, node))
    return found


def _average(node: Any, graph: Any) -> bool | None:
    """Whether a node averages all positions, and its channels are last; None: it does something else."""
    if node.op_type == "GlobalAveragePool":
        return False
    if node.op_type != "ReduceMean":
        return None
    channels_last: dict[tuple[int, ...], bool] = {(2, 3): False, (-2, -1): False, (1, 2): True}
    return channels_last.get(tuple(sorted(_axes(node, graph))))


def _axes(node: Any, graph: Any) -> tuple[int, ...]:
    for attribute in node.attribute:
        if attribute.name == "axes":
            return tuple(attribute.ints)
    constant = next((t for t in graph.initializer if len(node.input) > 1 and t.name == node.input[1]), None)
    if constant is None or constant.data_type != INT64:
        return ()
    return tuple(int(axis) for axis in np.frombuffer(constant.raw_data, "<i8"))
