"""Reads the structure of ONNX files with protobuf, a dependency of onnxruntime: devices have no onnx package.

The schema is the part of ``onnx.proto`` (Apache-2.0; the field numbers are the public format) that the runtime needs,
in a separate descriptor pool, so that it does not conflict with the onnx package. The parser skips all other fields,
including the data of the weights.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from edgecnn.errors import ModelError

__all__ = ["ATTRIBUTE_INT", "ATTRIBUTE_INTS", "FLOAT", "INT8", "INT64", "new_model", "parse_model"]

FLOAT, INT8, INT64 = 1, 3, 7
"""Of ``TensorProto.DataType``."""

ATTRIBUTE_INT, ATTRIBUTE_INTS = 2, 7
"""Of ``AttributeProto.AttributeType``."""

_SCALARS = {"int32": 5, "int64": 3, "string": 9, "float": 2, "bytes": 12}
_OPTIONAL, _REPEATED, _MESSAGE = 1, 3, 11

# message -> field -> (number, type, repeated)
_SCHEMA: dict[str, dict[str, tuple[int, str, bool]]] = {
    "Dimension": {"dim_value": (1, "int64", False), "dim_param": (2, "string", False)},
    "Shape": {"dim": (1, "Dimension", True)},
    "TensorType": {"elem_type": (1, "int32", False), "shape": (2, "Shape", False)},
    # What only has to be seen to be there stands as bytes: a parser that does not descend cannot be led into the depths
    "Type": {
        "tensor_type": (1, "TensorType", False),
        "sequence_type": (4, "bytes", False),
        "map_type": (5, "bytes", False),
        "sparse_tensor_type": (8, "bytes", False),
        "optional_type": (9, "bytes", False),
    },
    "ValueInfo": {"name": (1, "string", False), "type": (2, "Type", False)},
    "Tensor": {
        "dims": (1, "int64", True),
        "data_type": (2, "int32", False),
        "name": (8, "string", False),
        "external_data": (13, "bytes", True),
        "data_location": (14, "int32", False),
    },
    "Attribute": {
        "name": (1, "string", False),
        "type": (20, "int32", False),
        "i": (3, "int64", False),
        "ints": (8, "int64", True),
        "t": (5, "Tensor", False),
        "g": (6, "bytes", False),
        "tensors": (10, "Tensor", True),
        "graphs": (11, "bytes", True),
        "sparse_tensor": (22, "bytes", False),
        "sparse_tensors": (23, "bytes", True),
    },
    "Node": {
        "input": (1, "string", True),
        "output": (2, "string", True),
        "name": (3, "string", False),
        "op_type": (4, "string", False),
        "attribute": (5, "Attribute", True),
        "domain": (7, "string", False),
    },
    "Graph": {
        "node": (1, "Node", True),
        "name": (2, "string", False),
        "initializer": (5, "Tensor", True),
        "input": (11, "ValueInfo", True),
        "output": (12, "ValueInfo", True),
        "value_info": (13, "ValueInfo", True),
        "sparse_initializer": (15, "bytes", True),
    },
    "Function": {"name": (1, "string", False), "node": (7, "Node", True), "domain": (10, "string", False)},
    "OperatorSet": {"domain": (1, "string", False), "version": (2, "int64", False)},
    "Entry": {"key": (1, "string", False), "value": (2, "string", False)},
    "Model": {
        "ir_version": (1, "int64", False),
        "opset_import": (8, "OperatorSet", True),
        "graph": (7, "Graph", False),
        "metadata_props": (14, "Entry", True),
        "training_info": (20, "bytes", True),
        "functions": (25, "Function", True),
    },
}


# What a tensor holds, read only where it is asked for
_TENSOR_DATA: dict[str, tuple[int, str, bool]] = {
    "float_data": (4, "float", True),
    "int32_data": (5, "int32", True),
    "raw_data": (9, "bytes", False),
}


def _build(schema: dict[str, dict[str, tuple[int, str, bool]]]) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="edgecnn_onnx.proto", package="edgecnn.onnx", syntax="proto3")
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number, label=_REPEATED if repeated else _OPTIONAL)
            added.type = _SCALARS.get(kind, _MESSAGE)
            if kind not in _SCALARS:
                added.type_name = f".edgecnn.onnx.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("edgecnn.onnx.Model"))


_Model = _build(_SCHEMA)


@cache
def _model_with_data() -> Any:
    return _build(_SCHEMA | {"Tensor": _SCHEMA["Tensor"] | _TENSOR_DATA})


def new_model() -> Any:
    """Returns an empty model whose tensors can hold data."""
    return _model_with_data()()


def parse_model(content: bytes, path: Path, *, with_data: bool = False) -> Any:
    """Parses a model to protobuf messages with ONNX's field names.

    Args:
        content: the bytes of the file.
        path: name of the file in error messages.
        with_data: also read the data of the tensors.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    model = new_model() if with_data else _Model()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ModelError(f"{path}: not an ONNX file; give a .onnx file that `edgecnn export` wrote") from error
    if not model.graph.node:
        raise ModelError(f"{path}: an ONNX file without a graph; give a .onnx file that `edgecnn export` wrote")
    return model
