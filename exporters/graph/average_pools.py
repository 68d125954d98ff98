"""Average pools whose last window hangs over the image's edge (``ceil_mode``).

onnxruntime's integer pool with ``count_include_pad=1`` divides such a window by the whole kernel; the float pool
divides by the positions inside the padded image.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from exporters.graph.padding import static_sides
from exporters.graph.passes import attribute, set_attribute

__all__ = ["count_inside", "hanging_pools"]


def count_inside(model: ModelProto) -> bool:
    """Sets ``count_include_pad=0`` in average pools without pads.

    In float nothing changes, since without pads every position of the padded image lies inside.
    """
    changed = False
    for node in model.graph.node:
        if _counts_pads(node) and not any(attribute(node, "pads", [0])) and _is_explicit(node):
            set_attribute(node, "count_include_pad", 0)
            changed = True
    return changed


def hanging_pools(model: ModelProto) -> list[str]:
    """Names of the average pools whose integer result would differ: they have pads, count them, and a window of
    theirs hangs over, or may."""
    sides = static_sides(model)
    return [node.name for node in model.graph.node if _counts_pads(node) and _may_hang(node, sides.get(node.input[0]))]


def _counts_pads(node: NodeProto) -> bool:
    return bool(
        node.op_type == "AveragePool" and attribute(node, "ceil_mode", 0) and attribute(node, "count_include_pad", 0)
    )


def _is_explicit(node: NodeProto) -> bool:
    return bool(attribute(node, "auto_pad", b"NOTSET") in (b"NOTSET", b"VALID"))


def _may_hang(node: NodeProto, sides: tuple[int, int] | None) -> bool:
    kernel, strides = attribute(node, "kernel_shape", []), attribute(node, "strides", [1, 1])
    pads, dilations = attribute(node, "pads", [0] * 4), attribute(node, "dilations", [1, 1])
    if sides is None or len(kernel) != 2 or not _is_explicit(node):
        return True
    return any(
        (side + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1) % strides[i] for i, side in enumerate(sides)
    )
