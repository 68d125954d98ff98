"""Rewrites the first convolution of an int8 model so that onnxruntime uses its fast kernel in spite of three channels.

onnxruntime's quickest int8 convolution asks for a multiple of four input channels (``convsym.cpp`` of its MLAS). Four
neighbouring pixels of a row lie in memory as twelve numbers: read as one pixel of twelve channels, an image of width
``W`` is one of width ``W / 4``, and no byte moves. A stem of stride 2 then has stride 1 across, and gives two of its
output columns at once, as twice the channels, which lie as the columns would. The weights are the same integers and
zeros, so the answers are the same to the bit.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from exporters.graph.passes import (
    attribute,
    constant,
    consumers,
    producers,
    remove_dead_nodes,
    replace_constant,
    set_attribute,
)

__all__ = ["fold_stem"]

_PIXELS = 4  # of a row, that become one


def fold_stem(model: ModelProto) -> ModelProto | None:
    """Returns the model with a folded stem; None if the stem cannot be folded.

    It can where the pixels enter a QDQ convolution with 3 x 3 taps, stride 2 and a padding of at most one, and the
    width is a multiple of four.

    Args:
        model: made by :func:`exporters.quantization.qdq.to_qdq`; left as it is.
    """
    folded = ModelProto()
    folded.CopyFrom(model)
    stem = _find_stem(folded)
    if stem is None:
        return None
    _fold_input(folded)
    _fold_weights(folded, stem)
    _unfold_output(folded, stem)
    remove_dead_nodes(folded)
    folded.ir_version = model.ir_version
    inferred = onnx.shape_inference.infer_shapes(folded)
    onnx.checker.check_model(inferred)
    return inferred


def _find_stem(model: ModelProto) -> NodeProto | None:
    """image -> Transpose -> DequantizeLinear -> Conv -> QuantizeLinear, in this order."""
    graph = model.graph
    used = consumers(graph)
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    chain = [graph.input[0].name]
    for kind in ("Transpose", "DequantizeLinear", "Conv", "QuantizeLinear"):
        readers = used[chain[-1]]
        if len(readers) != 1 or readers[0].op_type != kind:
            return None
        chain.append(readers[0].output[0])
    conv = producers(graph)[chain[3]]
    weight = _weight(model, conv)
    pads = attribute(conv, "pads", [0, 0, 0, 0])
    fits = (
        weight is not None
        and weight.shape[1:] == (3, 3, 3)
        and list(attribute(conv, "strides", [1, 1])) == [2, 2]
        and attribute(conv, "group", 1) == 1
        and pads[1] in (0, 1)
        and shape[2] > 0
        and shape[2] % _PIXELS == 0
        and shape[2] // 2 == (shape[2] + pads[1] + pads[3] - 3) // 2 + 1
    )
    return conv if fits else None


def _weight(model: ModelProto, conv: NodeProto) -> NDArray[np.int8] | None:
    made = producers(model.graph).get(conv.input[1])
    return None if made is None or made.op_type != "DequantizeLinear" else constant(model.graph, made.input[0])


def _fold_input(model: ModelProto) -> None:
    """``[N, H, W, 3]`` is read as ``[N, H, W / 4, 12]``."""
    graph = model.graph
    image = graph.input[0].name
    transpose = consumers(graph)[image][0]
    _insert_reshape(model, image, "image_in_fours", (0, 0, -1, 3 * _PIXELS), before=transpose)
    transpose.input[0] = "image_in_fours"


def _fold_weights(model: ModelProto, conv: NodeProto) -> None:
    """``[O, 3, 3, 3]`` -> ``[2 O, 12, 3, 2]``: first the even output columns' channels, then the odd ones'."""
    graph, made = model.graph, producers(model.graph)
    weight = _weight(model, conv)
    assert weight is not None
    outputs = len(weight)
    pads = attribute(conv, "pads", [0, 0, 0, 0])
    left = pads[1]
    wide = np.zeros((2 * outputs, 3 * _PIXELS, 3, 2), np.int8)
    for column in (0, 1):
        for tap in range(3):
            # Counted from the first pixel that the wide kernel sees
            place = 2 * column - left + tap + (_PIXELS if left else 0)
            group, pixel = divmod(place, _PIXELS)
            wide[column * outputs : (column + 1) * outputs, 3 * pixel : 3 * pixel + 3, :, group] = weight[:, :, :, tap]
    for name in conv.input[1:]:
        dequantize = made[name]
        replace_constant(
            graph, dequantize.input[0], wide if name == conv.input[1] else _twice(model, dequantize.input[0])
        )
        for other in dequantize.input[1:]:
            value = constant(graph, other)
            if value is not None and value.ndim:
                replace_constant(graph, other, _twice(model, other))
    set_attribute(conv, "pads", [pads[0], 1 if left else 0, pads[2], 0 if left else 1])
    set_attribute(conv, "strides", [2, 1])
    set_attribute(conv, "kernel_shape", [3, 2])


def _twice(model: ModelProto, name: str) -> NDArray[np.generic]:
    value = constant(model.graph, name)
    assert value is not None
    return np.concatenate([value, value])


def _unfold_output(model: ModelProto, conv: NodeProto) -> None:
    """``[N, 2 O, H', W' / 2]`` -> ``[N, O, H', W']``, in uint8.

    Seen with the channels last, as the quick path has it, again no byte moves.
    """
    graph = model.graph
    quantize = consumers(graph)[conv.output[0]][0]
    readers = consumers(graph)[quantize.output[0]]
    weight = _weight(model, conv)
    assert weight is not None
    outputs = len(weight) // 2
    made = quantize.output[0]
    last, columns, first = f"{made}_channels_last", f"{made}_in_columns", f"{made}_unfolded"
    position = list(graph.node).index(quantize) + 1
    graph.node.insert(position, onnx.helper.make_node("Transpose", [made], [last], name=last, perm=[0, 2, 3, 1]))
    _insert_reshape(model, last, columns, (0, 0, -1, outputs), at=position + 1)
    graph.node.insert(
        position + 2, onnx.helper.make_node("Transpose", [columns], [first], name=first, perm=[0, 3, 1, 2])
    )
    for reader in readers:
        for i, name in enumerate(reader.input):
            if name == made:
                reader.input[i] = first
    del graph.value_info[:]  # they tell of the shapes before; what follows infers them again


def _insert_reshape(
    model: ModelProto,
    source: str,
    target: str,
    shape: tuple[int, ...],
    before: NodeProto | None = None,
    at: int | None = None,
) -> None:
    """``shape`` names no size of the image, so that it holds for any: 0 keeps a dimension, -1 is what is left."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{target}_shape"))
    node = onnx.helper.make_node("Reshape", [source, f"{target}_shape"], [target], name=target)
    graph.node.insert(list(graph.node).index(before) if before is not None else at or 0, node)
