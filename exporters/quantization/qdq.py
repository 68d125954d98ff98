"""Converts a float model with its activation ranges to an int8 model that onnxruntime fuses.

Uint8 activations, per-channel int8 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgecnn.manifest import Normalization
from exporters.foreign.grey import GREY
from exporters.graph.average_pools import hanging_pools
from exporters.graph.hard_sigmoid import scale_instead_of_multiplying
from exporters.graph.passes import constant, consumers, only_for, producers, remove_dead_nodes
from exporters.graph.unquantizable import QUANTIZED_TYPES, kept_float
from exporters.quantization.calibrate import Range
from exporters.quantization.rounding.pair_limit import limit_pairs
from exporters.quantization.targets import Target

__all__ = ["never_quantized", "to_qdq"]

_ARITHMETIC: dict[str, Callable[..., NDArray[np.float64]]] = {"Sub": np.subtract, "Div": np.divide, "Mul": np.multiply}


def to_qdq(
    model: ModelProto,
    ranges: Mapping[str, Range],
    normalization: Normalization,
    target: Target,
    stay_float: frozenset[str] = frozenset(),
) -> ModelProto:
    """Inserts QuantizeLinear/DequantizeLinear pairs around the nodes that run in int8.

    Args:
        model: a float model that EdgeCNN exported; left as it is.
        ranges: of its activations.
        normalization: of its manifest: the pixels are the first quantized tensor.
        target: types of activations and weights.
        stay_float: names of nodes; blocks of :func:`exporters.graph.blocks.find_blocks`, since onnxruntime
            quantizes a lone convolution again.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    normalizing, normalized, darkest, brightest = _normalization(copy)
    # all 256 levels, whatever the images held: biases are scaled by this range too
    if normalized is not None:
        ranges = {**ranges, normalized: (float(darkest.min()), float(brightest.max()))}
    data = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=target.activations,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=[*_tail(copy), *_before(copy), *normalizing, *kept_float(copy, ranges), *stay_float],
        op_types_to_quantize=list(QUANTIZED_TYPES),
        extra_options={
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
            "ForceQuantizeNoInputCheck": True,
            "WeightSymmetric": True,
            "TensorQuantOverrides": _zero_points_at_0(ranges, normalized, normalization, target)
            if target.symmetric
            else {},
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized = quantizer.model.model
    zero_point, scale = normalization.zero_point, normalization.scale
    ours = np.allclose(darkest, -zero_point / scale) and np.allclose(brightest, (255 - zero_point) / scale)
    # Not where the stem stays float
    directly = normalized is not None and _pixels_reach(quantized, normalized)
    if ours and directly and target.pixels_enter:
        # An adopted network may normalise each colour by itself; then it goes on doing so, in float
        _feed_pixels(quantized, normalization)
    scale_instead_of_multiplying(quantized)
    remove_dead_nodes(quantized)
    if target.paired:
        limit_pairs(quantized, model)
    quantized.ir_version = max(model.ir_version, 8)
    return onnx.shape_inference.infer_shapes(quantized)


def _zero_points_at_0(
    ranges: Mapping[str, Range], normalized: str | None, normalization: Normalization, target: Target
) -> dict[str, list[dict[str, object]]]:
    """Sets zero points to 0. onnxruntime's own option for it would keep each Relu between two quantized tensors."""
    steps = {name: max(abs(low), abs(high), 1e-12) / 127 for name, (low, high) in ranges.items()}
    if (
        normalized is not None and max(map(abs, ranges[normalized])) * normalization.scale <= 128
    ):  # every pixel stays itself but the brightest, by one
        steps[normalized] = 1 / normalization.scale
    if target.activations == QuantType.QUInt8:  # where nothing is negative, its zero point is 0 by itself
        steps = {name: step for name, step in steps.items() if ranges[name][0] < 0}
    zero = np.array(0, np.int8)
    return {
        name: [{"quant_type": QuantType.QInt8, "scale": np.array(step, np.float32), "zero_point": zero}]
        for name, step in steps.items()
    }


def never_quantized(model: ModelProto) -> list[str]:
    """Names of the nodes that stay float in any case.

    These convert pixels to float and normalise them, or follow the classifier.
    """
    return [*_before(model), *_normalization(model)[0], *_tail(model), *hanging_pools(model)]


def _before(model: ModelProto) -> list[str]:
    """Names of the nodes that convert pixels to float."""
    made = producers(model.graph)
    node = _float_pixels(model)
    before = []
    while node is not None:
        before.append(str(node.name))
        node = made.get(node.input[0])
    return before


def _tail(model: ModelProto) -> list[str]:
    """Names of the nodes after the classifier, and of those that only the unknown score needs.

    In float they cost nothing and keep their precision.
    """
    made = producers(model.graph)
    names = only_for(model, "unknown_score")
    node = made.get("probabilities")
    while node is not None and node.op_type not in ("Gemm", "MatMul", "Conv"):
        names.append(node.name)
        node = made.get(node.input[0])
    return names


def _normalization(model: ModelProto) -> tuple[list[str], str | None, NDArray[np.float64], NDArray[np.float64]]:
    """Names of the nodes that normalise, the tensor that holds the normalised pixels (None: there is none), and what
    the pixels 0 and 255 become in it."""
    used = consumers(model.graph)
    nodes: list[str] = []
    darkest, brightest = np.zeros(1), np.full(1, 255.0)
    pixels = _float_pixels(model)
    if pixels is None:
        return nodes, None, darkest, brightest
    name = pixels.output[0]
    while len(used[name]) == 1 and used[name][0].op_type in (*_ARITHMETIC, "Transpose"):
        (node,) = used[name]
        if node.input[0] != name:
            break
        if node.op_type == "Transpose":
            name = node.output[0]
            nodes.append(node.name)
            continue
        value = constant(model.graph, node.input[1])
        if value is None:
            break
        darkest, brightest = (_ARITHMETIC[node.op_type](x, value.astype(np.float64)) for x in (darkest, brightest))
        name = node.output[0]
        nodes.append(node.name)
    return nodes, name, darkest, brightest


def _float_pixels(model: ModelProto) -> NodeProto | None:
    """The node whose output holds the pixels, or their grey levels, as floats; None if there is none."""
    made = producers(model.graph)
    if GREY in made:
        return made[GREY]
    casts = (node for node in model.graph.node if node.op_type == "Cast" and _comes_from_image(node, made))
    return next(casts, None)


def _pixels_reach(model: ModelProto, normalized: str) -> bool:
    """Whether the normalised pixels, in the order of the input bytes, are all quantized."""
    made = producers(model.graph)
    node = made[normalized]
    while node.op_type in _ARITHMETIC:
        node = made[node.input[0]]
    readers = consumers(model.graph)[normalized]
    return node.op_type == "Cast" and all(reader.op_type == "QuantizeLinear" for reader in readers)


def _feed_pixels(model: ModelProto, normalization: Normalization) -> None:
    """Removes Cast, subtraction, division and QuantizeLinear, which together give back the pixels.

    The uint8 image itself becomes the first quantized tensor.
    """
    graph = model.graph
    used = consumers(graph)
    node = _float_pixels(model)
    assert node is not None
    pixels = node.input[0]
    while node.op_type != "QuantizeLinear":
        (node,) = used[node.output[0]]
    scale, zero_point = f"{pixels}_scale", f"{pixels}_zero_point"
    graph.initializer.append(numpy_helper.from_array(np.array(1 / normalization.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(normalization.zero_point, np.uint8), zero_point))
    for dequantize in used[node.output[0]]:
        dequantize.input[0], dequantize.input[1], dequantize.input[2] = pixels, scale, zero_point


def _comes_from_image(node: NodeProto, made: Mapping[str, NodeProto]) -> bool:
    name = node.input[0]
    while name in made and made[name].op_type in ("Transpose", "Gather"):  # an adopted network may take blue first
        name = made[name].input[0]
    return bool(name == "image")
