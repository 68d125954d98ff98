"""Lets a graph that was made for a fixed number of images take any number, where that number stands in its shapes.

A graph of a fixed batch does not say where the batch is: a 1 in a shape may be the batch, or just a 1. The place is
followed from the input through every step. Whether the result is right is for the caller to prove, on several images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from exporters.graph.passes import attribute, constant
from exporters.graph.types import complete_types, static_shapes

__all__ = ["free_batch"]

_REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ArgMax", "ArgMin")
_BROADCASTS = ("Add", "Sub", "Mul", "Div", "MatMul", "Where", "Pow")
_BATCH_NAME = "edgecnn_batch"


@dataclass(frozen=True)
class _Place:
    """Where the batch is in a tensor: a dimension, and how many elements of that dimension lie outside it."""

    axis: int
    outer: int = 1


def free_batch(model: ModelProto, batch: int) -> None:
    """Rewrites shapes that name the batch, in place.

    Reshape takes -1 for the batch and the other sides as numbers. A constant that is joined to the images, as the class
    token of a vision transformer, is repeated per image.

    Args:
        model: takes one input ``[batch, …]`` of static sides; constants are folded.
        batch: the number of images that the graph was made for.
    """
    complete_types(model)
    graph = model.graph
    shapes = static_shapes(graph)
    places: dict[str, _Place] = {graph.input[0].name: _Place(0)}
    for node in list(graph.node):
        place = _rewrite(graph, node, shapes, places, batch)
        if place is not None:
            places.update(dict.fromkeys(node.output, place))
    del graph.value_info[:]


def _rewrite(
    graph: GraphProto, node: NodeProto, shapes: dict[str, tuple[int, ...]], places: dict[str, _Place], batch: int
) -> _Place | None:
    """Changes one node where its shape names the batch; where the batch is in its output."""
    source = next((name for name in node.input if name in places), None)
    if source is None or source not in shapes or node.output[0] not in shapes:
        return None
    before, after, place = shapes[source], shapes[node.output[0]], places[source]
    if node.op_type == "Reshape":
        return _reshape(graph, node, before, after, place, batch)
    if node.op_type == "Concat":
        _repeat_constants(graph, node, shapes, place, batch)
    if node.op_type == "Expand":
        _set_shape(graph, node, [1 if i == place.axis else side for i, side in enumerate(after)])
    return _moved(graph, node, len(before), len(after), place)


def _reshape(
    graph: GraphProto, node: NodeProto, before: tuple[int, ...], after: tuple[int, ...], place: _Place, batch: int
) -> _Place | None:
    """The batch keeps its place in the order of the elements, so that place is looked for in the new shape."""
    outer = math.prod(before[: place.axis]) * place.outer
    found = _find(after, outer, batch)
    if found is None:
        return None
    _set_shape(graph, node, [-1 if i == found.axis else side for i, side in enumerate(after)])
    return found


def _find(shape: tuple[int, ...], outer: int, batch: int) -> _Place | None:
    """The dimension in which ``outer`` elements come before the batch.

    A dimension that is the batch alone is preferred, then one that begins with it, and the last one, of features, only
    where there is no other.
    """
    starts = [math.prod(shape[:i]) for i in range(len(shape))]
    possible = [
        _Place(i, outer // start)
        for i, start in enumerate(starts)
        if start and outer % start == 0 and shape[i] % (outer // start * batch) == 0 and outer // start <= shape[i]
    ]
    if not possible:
        return None
    return min(possible, key=lambda p: (shape[p.axis] != batch or p.outer > 1, p.axis == len(shape) - 1, p.outer > 1))


def _set_shape(graph: GraphProto, node: NodeProto, shape: list[int]) -> None:
    name = f"{node.output[0]}_shape_of_any_batch"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    node.input[1] = name
    for old in [a for a in node.attribute if a.name == "allowzero"]:
        node.attribute.remove(old)


def _moved(graph: GraphProto, node: NodeProto, before: int, after: int, place: _Place) -> _Place | None:
    """Where the batch is behind a node other than Reshape; None where it is not to be seen any more."""
    axis: int | None = place.axis
    assert axis is not None
    if node.op_type == "Transpose":
        axis = list(attribute(node, "perm", list(reversed(range(before))))).index(axis)
    elif node.op_type in ("Squeeze", "Unsqueeze", *_REDUCTIONS):
        axis = _past_axes(graph, node, before, after, axis)
    elif node.op_type == "Gather":
        along = attribute(node, "axis", 0) % before
        axis = axis + after - before if along < axis else axis if along > axis else None
    elif node.op_type == "Flatten":
        axis = axis if attribute(node, "axis", 1) >= 1 and axis == 0 else None
    elif node.op_type in _BROADCASTS:
        axis = axis + after - before
    return _Place(axis, place.outer) if axis is not None and 0 <= axis < after else None


def _past_axes(graph: GraphProto, node: NodeProto, before: int, after: int, axis: int) -> int | None:
    """Behind a node that adds, drops or averages dimensions; None where the batch is among those."""
    axes = _axes(graph, node, max(before, after))
    if axes is None:
        return axis if before == after else None
    if node.op_type == "Unsqueeze":
        return [i for i in range(after) if i not in axes][axis]
    if axis in axes:
        return None
    return axis if before == after else axis - sum(a < axis for a in axes)


def _axes(graph: GraphProto, node: NodeProto, rank: int) -> list[int] | None:
    if len(node.input) > 1 and node.input[1]:
        found = constant(graph, node.input[1])
        return None if found is None else [int(a) % rank for a in found.ravel()]
    axes = attribute(node, "axes", None)
    if axes is None and node.op_type.startswith("Arg"):
        axes = [attribute(node, "axis", 0)]
    return None if axes is None else [int(a) % rank for a in axes]


def _repeat_constants(
    graph: GraphProto, node: NodeProto, shapes: dict[str, tuple[int, ...]], place: _Place, batch: int
) -> None:
    """Constants among the joined tensors, alike for each image, once per image."""
    joined = attribute(node, "axis", 0) % len(shapes[node.output[0]])
    if joined == place.axis or place.outer > 1:
        return
    for i, name in enumerate(node.input):
        value = constant(graph, name)
        if value is None or value.shape[place.axis] != batch:
            continue
        images = np.split(value, batch, place.axis)
        if any(not np.array_equal(a, b) for a, b in pairwise(images)):
            continue
        target = f"{node.output[0]}_joined_{i}"
        sides = [_BATCH_NAME if axis == place.axis else _side(graph, side) for axis, side in enumerate(value.shape)]
        graph.initializer.append(numpy_helper.from_array(images[0], f"{target}_value"))
        _ensure_batch(graph)
        at = list(graph.node).index(node)
        graph.node.insert(at, onnx.helper.make_node("Concat", sides, [f"{target}_shape"], axis=0))
        graph.node.insert(at + 1, onnx.helper.make_node("Expand", [f"{target}_value", f"{target}_shape"], [target]))
        node.input[i] = target


def _side(graph: GraphProto, side: int) -> str:
    name = f"edgecnn_side_{side}"
    if all(t.name != name for t in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.array([side], np.int64), name))
    return name


def _ensure_batch(graph: GraphProto) -> None:
    """The tensor that holds the number of images, int64 ``[1]``."""
    if any(_BATCH_NAME in node.output for node in graph.node):
        return
    make = onnx.helper.make_node
    graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "edgecnn_batch_begin"))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "edgecnn_batch_end"))
    graph.node.insert(0, make("Shape", [graph.input[0].name], [f"{_BATCH_NAME}_sides"]))
    graph.node.insert(
        1, make("Slice", [f"{_BATCH_NAME}_sides", "edgecnn_batch_begin", "edgecnn_batch_end"], [_BATCH_NAME])
    )
