"""Generates a small int8 network to test and time a processor without a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.runtime.onnx_file.proto import new_model

__all__ = ["int8_convolutions"]

_DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3}  # TensorProto.DataType of onnx.proto


def int8_convolutions(weights: NDArray[np.int8], side: int, output_scale: float) -> bytes:
    """Returns an ONNX file with a sequence of pointwise convolutions, uint8 ``[1, C, side, side]`` -> the same shape.

    Zero points are 0, all other scales are 1.

    Args:
        weights: int8 ``[L, C, C]`` of L layers.
        side: height and width of the tensors.
        output_scale: scale of the uint8 output of each layer.
    """
    model = new_model()
    model.ir_version = 8
    model.opset_import.add(domain="", version=17)
    graph = model.graph
    graph.name = "int8_convolutions"
    constants: dict[str, NDArray[Any]] = {
        "one": np.asarray(1, np.float32),
        "scale": np.asarray(output_scale, np.float32),
        "zero": np.asarray(0, np.uint8),
    }
    for i, weight in enumerate(weights):
        # Each layer has constants of its own: see edgecnn.runtime.session.ort_errors
        constants |= {f"weight{i}": weight[:, :, None, None], f"weight_zero{i}": np.asarray(0, np.int8)}
        names = [f"x{i}", "one", "zero", f"weight{i}", "one", f"weight_zero{i}", "scale", "zero"]
        graph.node.add(op_type="QLinearConv", name=f"conv{i}", input=names, output=[f"x{i + 1}"])
    for name, values in constants.items():
        graph.initializer.add(
            name=name, dims=values.shape, data_type=_DATA_TYPES[str(values.dtype)], raw_data=values.tobytes()
        )
    for value, name in ((graph.input.add(), "x0"), (graph.output.add(), f"x{len(weights)}")):
        value.name = name
        value.type.tensor_type.elem_type = _DATA_TYPES["uint8"]
        for length in (1, weights.shape[1], side, side):
            value.type.tensor_type.shape.dim.add(dim_value=length)
    return bytes(model.SerializeToString())
