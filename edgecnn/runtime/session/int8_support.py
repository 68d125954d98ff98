"""Checks whether a provider computes an int8 file in int8.

If it does not, the int8 file is slower than the float file it was made from.

CUDA has no int8 convolutions (onnxruntime's "Quantize ONNX Models": on GPUs int8 goes through TensorRT), so each
would be converted back to float at run time. TensorRT needs pairs with zero points of 0 and no int32 biases, as
`edgecnn quantize --target tensorrt` writes them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from edgecnn.errors import ProviderError
from edgecnn.runtime.providers.registry import Provider
from edgecnn.runtime.session.model_file import ModelFile

__all__ = ["Int8Form", "check_int8", "int8_form", "suggest_alternative"]

Int8Form = Literal["float", "tensorrt", "other"]
"""No int8 layers; the form for TensorRT; or another int8 form."""

_CHOOSY = ("cuda", "tensorrt")
_INT32 = 6
_INT8 = 3
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_INTEGER_LAYERS = ("QLinearConv", "ConvInteger", "QLinearMatMul", "MatMulInteger", "QGemm")


def check_int8(model: ModelFile, provider: Provider) -> None:
    """Refuses an int8 file that the provider cannot compute in int8.

    Raises:
        ProviderError: the provider has no int8 for this file. The message names the file to use instead.
        ModelError: the file is not an ONNX file.
    """
    if provider.name not in _CHOOSY:
        return
    # Not at the top: the CPU provider starts without protobuf
    from edgecnn.runtime.onnx_file.proto import parse_model  # noqa: PLC0415

    form = int8_form(parse_model(model.content, model.path))
    if form == "float" or (form, provider.name) == ("tensorrt", "tensorrt"):
        return
    why = "has no int8 convolutions" if provider.name == "cuda" else "only takes int8 files made for it"
    raise ProviderError(
        f"--ep {provider.name}: {model.path} is an int8 file, and {provider.name} {why}; "
        f"{suggest_alternative(model.path, provider.name)}"
    )


def int8_form(model: Any) -> Int8Form:
    """Determines the int8 form from the pairs of QuantizeLinear and DequantizeLinear; the manifest does not have it.

    Args:
        model: a model as :func:`edgecnn.runtime.onnx_file.proto.parse_model` gives it.
    """
    nodes = list(model.graph.node)
    made = {name: node for node in nodes for name in node.output}
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    layers = [n for n in nodes if n.op_type in _LAYERS and all(_is_dequantized(name, made) for name in n.input[:2])]
    if any(n.op_type in _INTEGER_LAYERS for n in nodes):
        return "other"
    if not layers:
        return "float"
    return "tensorrt" if all(_fits_tensorrt(n, made, types) for n in layers) else "other"


def _is_dequantized(name: str, made: dict[str, Any]) -> bool:
    return name in made and made[name].op_type == "DequantizeLinear"


def _fits_tensorrt(layer: Any, made: dict[str, Any], types: dict[str, int]) -> bool:
    """Whether a layer has int8 activations, weights quantized in the graph, and a float bias.

    Only `exporters/quantization/tensorrt.py` writes such layers.
    """
    activations, weights = (made[name] for name in layer.input[:2])
    signed = len(activations.input) > 2 and types.get(activations.input[2]) == _INT8
    from_float = weights.input[0] in made and made[weights.input[0]].op_type == "QuantizeLinear"
    bias = made.get(layer.input[2]) if len(layer.input) > 2 else None
    float_bias = bias is None or bias.op_type != "DequantizeLinear" or types.get(bias.input[0]) != _INT32
    return signed and from_float and float_bias


def suggest_alternative(path: Path, provider: str) -> str:
    """Suggests another file: one in the same folder, by the usual names, or the command that makes one."""
    name = re.sub(r"\.(x86-avx2|tensorrt|arm64|openvino)", "", path.name)
    plain = path.with_name(name.replace(".int8", "").replace(".mixed", ""))
    if provider == "tensorrt":
        made_for_it = path.with_name(f"{Path(name).stem}.tensorrt{path.suffix}")
        if made_for_it != path and made_for_it.exists():
            return f"give {made_for_it}"
    if plain != path and plain.exists():
        found = f"give the float file {plain}"
    else:
        found = (
            "give the float file that it was made from (`edgecnn export` writes it, with --precision fp16 in half "
            "the size)"
        )
    return f"{found}, or make one with `edgecnn quantize --target tensorrt`" if provider == "tensorrt" else found
