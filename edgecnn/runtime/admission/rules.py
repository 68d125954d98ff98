"""Rules for the structure of untrusted model files: known operators, one flat graph, sizes independent of pixels.

Reads what :mod:`edgecnn.runtime.onnx_file.proto` parsed; nothing here runs the model. A graph that
follows the rules can still crash onnxruntime; the probe in :mod:`edgecnn.runtime.admission.admission` detects that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["RefusedError", "check_counts", "check_structure", "plain"]

_MAX_NODES = 20_000  # EfficientNet-Lite4 in int8 has some 900
_MAX_TENSORS = 50_000
_MAX_NAME = 4_096  # characters
_MAX_METADATA_BYTES = 64 << 20
_MAX_RANK = 16
_MAX_SIDE = 2**31 - 1
_MAX_INPUT_ELEMENTS = 3 * 64_000_000  # the limit of images
_MAX_OF_ATTRIBUTE = 65_536  # of those that set sizes


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWN_DOMAINS = ("", "ai.onnx")
_ONNX = _words(
    "Abs Acos Add And ArgMax ArgMin Asin Atan Attention AveragePool BatchNormalization Cast CastLike Ceil Celu Clip "
    "Concat Constant ConstantOfShape "
    "Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear "
    "Einsum Elu Equal Erf Exp "
    "Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool "
    "Greater GreaterOrEqual "
    "GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM "
    "LayerNormalization LeakyRelu Less "
    "LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean "
    "MeanVarianceNormalization Min Mish Mod Mul Neg Not "
    "OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 "
    "ReduceL2 ReduceLogSum "
    "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round "
    "Selu Shape Shrink Sigmoid Sign "
    "Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh "
    "ThresholdedRelu Tile TopK Transpose "
    "Trilu Unsqueeze Upsample Where Xor"
)
_MICROSOFT = _words(  # what onnxruntime's quantizers write, and the activations that its optimizers do
    "BiasGelu DequantizeLinear DynamicQuantizeMatMul FastGelu FusedConv FusedGemm FusedMatMul Gelu "
    "MatMulIntegerToFloat NhwcMaxPool "
    "QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu "
    "QLinearMul QLinearReduceMean "
    "QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu"
)
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")

# operator -> its inputs that set sizes, axes and steps: no pixel may decide about them
_SETTING: dict[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
    **{f"Reduce{how}": (1,) for how in _words("L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare")},
}
# The smallest whole number by -1 is no whole number: the processor ends the process
_DIVIDING = ("Div", "Mod")
_REAL = frozenset((1, 10, 11, 16))  # float, float16, double, bfloat16 of TensorProto.DataType
_TO_REAL = ("DequantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
_TO_WHOLE = _words(  # or to truth values; all others give the type of their first input
    "ArgMax ArgMin CastLike ConvInteger DynamicQuantizeLinear Equal Greater GreaterOrEqual IsInf IsNaN Less "
    "LessOrEqual MatMulInteger OneHot QGemm "
    "QuantizeLinear Shape Size"
)
_ALL_OF_ONE_TYPE = _words("GRU LayerNormalization LSTM RNN Split")  # all outputs; of others, later ones may be indices
_REAL_CONSTANTS = ("value_float", "value_floats")
_LIMITED = _words(
    "blocksize dilations group hidden_size kernel_shape num_groups output_padding output_shape pads repeats strides"
)


class RefusedError(Exception):
    """The structure of a model is not allowed. The message is one line, without the file name."""


def check_structure(model: Any, size_bytes: int) -> None:
    """Checks a parsed model against the rules.

    Args:
        model: result of :func:`edgecnn.runtime.onnx_file.proto.parse_model`.
        size_bytes: size of the file; a tensor cannot have more elements than the file has bits.

    Raises:
        RefusedError: the model violates a rule. The message names the first one.
    """
    if model.functions:
        raise RefusedError(
            f"it has {len(model.functions)} model-local functions; inline them (onnx.inliner.inline_local_functions)"
        )
    if model.training_info:
        raise RefusedError("it contains training information; export the network for inference")
    check_counts(model)
    graph = model.graph
    if graph.sparse_initializer:
        raise RefusedError("it has sparse weights; export dense weights")
    for node in graph.node:
        _check_node(node)
    for tensor in _tensors(graph):
        _check_tensor(tensor, size_bytes)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _check_value(value)
    for value in graph.input:
        _check_input(value)
    _check_pixels_power(graph)


def check_counts(model: Any) -> None:
    """Checks that a parsed model has few enough parts to be examined. Raises :class:`RefusedError`."""
    graph = model.graph
    for what, count, most in (
        ("nodes", len(graph.node), _MAX_NODES),
        ("nodes in functions", sum(len(function.node) for function in model.functions), _MAX_NODES),
        ("initializers", len(graph.initializer), _MAX_TENSORS),
        ("inputs", len(graph.input), _MAX_TENSORS),
        ("outputs", len(graph.output), _MAX_TENSORS),
        ("value_info entries", len(graph.value_info), 2 * _MAX_TENSORS),
        (
            "bytes of metadata",
            sum(len(entry.key) + len(entry.value) for entry in model.metadata_props),
            _MAX_METADATA_BYTES,
        ),
    ):
        if count > most:
            raise RefusedError(f"it has {count:,} {what}, at most {most:,} are allowed")


def plain(text: object, most: int = 80) -> str:
    """Makes text from an untrusted file safe for a terminal: one line, printable, short."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text)[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"


def _check_node(node: Any) -> None:
    kind = plain(node.op_type)
    if node.domain in _OWN_DOMAINS and node.op_type in _CONTROL_FLOW:
        raise RefusedError(
            f"it has control flow ({kind}), which can run without a limit; export a network without control flow"
        )
    known = _ONNX if node.domain in _OWN_DOMAINS else _MICROSOFT if node.domain == "com.microsoft" else ()
    if node.op_type not in known:
        where = f"{plain(node.domain)}." if node.domain not in _OWN_DOMAINS else ""
        raise RefusedError(f"the operator {where}{kind} is not supported; export a network without it")
    for name in (node.name, *node.input, *node.output):
        _check_name(name)
    for attribute in node.attribute:
        if attribute.g or attribute.graphs:
            raise RefusedError(f"the operator {kind} contains a subgraph; export a flat graph")
        if attribute.sparse_tensor or attribute.sparse_tensors:
            raise RefusedError("it has sparse weights; export dense weights")
        if attribute.name in _LIMITED and any(abs(n) > _MAX_OF_ATTRIBUTE for n in (attribute.i, *attribute.ints)):
            raise RefusedError(f"the operator {kind} has an attribute {attribute.name} above {_MAX_OF_ATTRIBUTE:,}")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: Any, size_bytes: int) -> None:
    _check_name(tensor.name)
    if tensor.data_location or tensor.external_data:
        raise RefusedError(
            f"it stores weights ({plain(tensor.name)}) in an external data file; save the model as one file "
            "(save_as_external_data=False)"
        )
    _check_dims(tensor.name, tensor.dims)
    if math.prod(tensor.dims) > 8 * size_bytes:
        raise RefusedError(f"the weight {plain(tensor.name)} declares more elements than the file can contain")


def _check_value(value: Any) -> None:
    _check_name(value.name)
    kind = value.type
    if kind.sequence_type or kind.map_type or kind.sparse_tensor_type or kind.optional_type:
        raise RefusedError(f"{plain(value.name)} is not a dense tensor")
    _check_dims(value.name, [d.dim_value for d in kind.tensor_type.shape.dim])


def _check_input(value: Any) -> None:
    elements = math.prod(d.dim_value or 1 for d in value.type.tensor_type.shape.dim)
    if elements > _MAX_INPUT_ELEMENTS:
        raise RefusedError(
            f"the input {plain(value.name)} has {elements:,} elements, more than images of 64 megapixels have"
        )


def _check_dims(name: str, dims: Iterable[int]) -> None:
    found = list(dims)
    if len(found) > _MAX_RANK or any(not 0 <= d <= _MAX_SIDE for d in found):
        raise RefusedError(f"{plain(name)} has an invalid shape")


def _check_name(name: str) -> None:
    if len(name) > _MAX_NAME:
        raise RefusedError(f"a name in it has {len(name):,} characters, at most {_MAX_NAME:,} are allowed")


def _check_pixels_power(graph: Any) -> None:
    """Checks that no pixel value decides a size or an integer division.

    Otherwise a later image could cause what the image of the probe did not. Tensors that are computed only from
    constants and shapes do not depend on pixels; all others do, and so do tensors that are not computed yet.
    """
    free = {""} | {tensor.name for tensor in graph.initializer}
    free -= {value.name for value in graph.input}
    real = {tensor.name for tensor in graph.initializer if tensor.data_type in _REAL}
    real |= {value.name for value in graph.input if value.type.tensor_type.elem_type in _REAL}
    for node in graph.node:
        fixed = all(name in free for name in node.input)
        if any(i < len(node.input) and node.input[i] not in free for i in _SETTING.get(node.op_type, ())):
            raise RefusedError(
                f"the amount of work of a {plain(node.op_type)} depends on pixel values; export the "
                "network with fixed sizes"
            )
        if node.op_type in _DIVIDING and not fixed and not any(name in real for name in node.input):
            raise RefusedError(
                f"an integer {plain(node.op_type)} depends on pixel values, which can crash the process; "
                "compute it in float"
            )
        _mark(free, node.output, belongs=fixed or node.op_type in ("Shape", "Size"))
        first = _is_real(node, real)
        _mark(real, node.output[:1], belongs=first)
        _mark(real, node.output[1:], belongs=first and node.op_type in _ALL_OF_ONE_TYPE)


def _mark(names: set[str], outputs: Iterable[str], *, belongs: bool) -> None:
    if belongs:
        names.update(outputs)
    else:
        names.difference_update(outputs)


def _is_real(node: Any, real: set[str]) -> bool:
    """Whether the first output of a node certainly has a floating-point type."""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type == "Cast":
        return "to" in attributes and attributes["to"].i in _REAL
    if node.op_type in ("Constant", "ConstantOfShape"):
        given = attributes.get("value")
        return (
            given.t.data_type in _REAL
            if given
            else node.op_type == "ConstantOfShape" or not attributes.keys().isdisjoint(_REAL_CONSTANTS)
        )
    if node.op_type in _TO_WHOLE or node.op_type.startswith("QLinear"):
        return False
    decides = 1 if node.op_type == "Where" else 0
    return node.op_type in _TO_REAL or (decides < len(node.input) and node.input[decides] in real)
