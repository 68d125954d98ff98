"""Passes for padding: explicit pads for convolutions and pools, and Pad nodes folded into convolutions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto

from exporters.graph.passes import attribute, constant, consumers, producers, set_attribute
from exporters.graph.types import static_shapes

__all__ = ["explicit_pads", "fold_pad_into_conv"]

_PADDED = ("Conv", "AveragePool", "MaxPool", "LpPool")


def explicit_pads(model: ModelProto) -> bool:
    """Replaces ``auto_pad`` of convolutions and pools by explicit ``pads`` where the size of the image is known.

    Keras and Paddle write ``auto_pad``; a pass that reads only ``pads`` would see no padding.
    """
    shapes, changed = static_sides(model), False
    for node in model.graph.node:
        how = attribute(node, "auto_pad", b"NOTSET")
        if node.op_type not in _PADDED or how == b"NOTSET":
            continue
        pads = [0, 0, 0, 0] if how == b"VALID" else _same(model.graph, node, shapes.get(node.input[0]), how)
        if pads is None:
            continue
        for name in ("auto_pad", "pads"):
            for old in [a for a in node.attribute if a.name == name]:
                node.attribute.remove(old)
        set_attribute(node, "pads", pads)
        changed = True
    return changed


def static_sides(model: ModelProto) -> dict[str, tuple[int, int]]:
    """Height and width of the tensors ``[N, C, H, W]`` of which both are known."""
    found = {name: shape[2:] for name, shape in static_shapes(model.graph).items() if len(shape) == 4}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        sides = value.type.tensor_type.shape.dim
        if len(sides) == 4 and all(d.dim_value > 0 for d in sides[2:]):
            found[value.name] = (sides[2].dim_value, sides[3].dim_value)
    return {name: (sides[0], sides[1]) for name, sides in found.items()}


def _same(graph: GraphProto, node: NodeProto, sides: tuple[int, int] | None, how: bytes) -> list[int] | None:
    """The pads of SAME, whose output size is the input size over the stride, rounded up; None: not known."""
    kernel = attribute(node, "kernel_shape", None)
    if kernel is None and node.op_type == "Conv":
        weight = constant(graph, node.input[1])
        kernel = None if weight is None else weight.shape[2:]
    if sides is None or kernel is None or len(kernel) != 2:
        return None
    strides, dilations = attribute(node, "strides", [1, 1]), attribute(node, "dilations", [1, 1])
    totals = [
        max(0, (-(-side // stride) - 1) * stride + (taps - 1) * dilation + 1 - side)
        for side, stride, taps, dilation in zip(sides, strides, kernel, dilations, strict=True)
    ]
    less = [total // 2 for total in totals]
    more = [total - part for total, part in zip(totals, less, strict=True)]
    return [*less, *more] if how == b"SAME_UPPER" else [*more, *less]


def fold_pad_into_conv(model: ModelProto) -> bool:
    """Folds zero padding of height and width into the ``pads`` of the convolution after it, which may be uneven.

    A Pad with negative pads, or before a convolution that still has ``auto_pad``, stays.
    """
    changed = False
    made, used = producers(model.graph), consumers(model.graph)
    outputs = {value.name for value in model.graph.output}
    for conv in (node for node in model.graph.node if node.op_type == "Conv"):
        pad = made.get(conv.input[0])
        if pad is None or pad.op_type != "Pad" or len(used[pad.output[0]]) != 1 or pad.output[0] in outputs:
            continue
        amounts = _zero_padding(model.graph, pad)
        if amounts is None or attribute(conv, "auto_pad", b"NOTSET") != b"NOTSET":
            continue
        before = attribute(conv, "pads", [0, 0, 0, 0])
        if len(before) != len(amounts):
            continue
        set_attribute(conv, "pads", [a + b for a, b in zip(before, amounts, strict=True)])
        conv.input[0] = pad.input[0]
        changed = True
    return changed


def _zero_padding(graph: GraphProto, pad: NodeProto) -> list[int] | None:
    """Top, left, bottom and right of a Pad that adds zeros around images and nothing else; else None."""
    if attribute(pad, "mode", b"constant") != b"constant" or len(pad.input) < 2:
        return None
    inputs = [constant(graph, name) if name else None for name in (*pad.input[1:], "", "", "")[:3]]
    amounts, value, axes = inputs
    value_is_open = len(pad.input) > 2 and pad.input[2] and value is None
    if amounts is None or value_is_open or (value is not None and value.any()):
        return None
    if len(pad.input) > 3 and pad.input[3]:
        if axes is None:
            return None
        amounts = _of_all_axes(amounts, axes)
    if len(amounts) != 8 or amounts[[0, 1, 4, 5]].any() or (amounts < 0).any():
        return None
    return [int(amounts[i]) for i in (2, 3, 6, 7)]


def _of_all_axes(amounts: NDArray[np.int64], axes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Expands pads of some axes to the pads of all axes of images ``[N, C, H, W]``."""
    found = np.zeros(8, np.int64)
    for i, axis in enumerate(axes.ravel()):
        found[axis % 4], found[axis % 4 + 4] = amounts[i], amounts[i + len(axes)]
    return found
