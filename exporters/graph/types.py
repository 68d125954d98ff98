"""Types and shapes of all tensors of a graph: by onnx's inference, and by onnxruntime's where onnx has none."""

from __future__ import annotations

import onnx
from onnx import GraphProto, ModelProto

from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu

__all__ = ["batch_size", "complete_types", "static_shapes"]

_TYPES = {
    "tensor(float)": onnx.TensorProto.FLOAT,
    "tensor(float16)": onnx.TensorProto.FLOAT16,
    "tensor(double)": onnx.TensorProto.DOUBLE,
    "tensor(int64)": onnx.TensorProto.INT64,
    "tensor(int32)": onnx.TensorProto.INT32,
    "tensor(uint8)": onnx.TensorProto.UINT8,
    "tensor(int8)": onnx.TensorProto.INT8,
    "tensor(bool)": onnx.TensorProto.BOOL,
}


def complete_types(model: ModelProto) -> None:
    """Adds the type and shape of every tensor that a node makes, in place.

    onnx has no inference for some operators (GroupNormalization, com.microsoft); quantization needs the types behind
    them too.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)
    known = {v.name for v in (*model.graph.value_info, *model.graph.output)}
    missing = [name for node in model.graph.node for name in node.output if name and name not in known]
    if not missing:
        return
    observed = ModelProto()
    observed.CopyFrom(model)
    del observed.graph.output[:], observed.graph.value_info[:]
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in missing)
    for value in open_on_cpu(observed.SerializeToString(), new_options(severity=SILENT)).get_outputs():
        if value.type in _TYPES:
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(value.name, _TYPES[value.type], value.shape)
            )


def static_shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of which every side is known."""
    found = {t.name: tuple(t.dims) for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in sides):
            found[value.name] = tuple(d.dim_value for d in sides)
    return found


def batch_size(model: ModelProto, most: int) -> int:
    """How many images to run at once: the graph's own number where it is fixed, else ``most``."""
    return int(model.graph.input[0].type.tensor_type.shape.dim[0].dim_value) or most
