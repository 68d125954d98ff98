"""The private ONNX schema reads what onnxruntime reads, without the onnx package."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
from google.protobuf import descriptor_pool

from edgecnn.errors import ModelError
from edgecnn.runtime.onnx_file.proto import parse_model

WHERE = Path("some.onnx")


def field(number: int, payload: bytes | int) -> bytes:
    """One field in protobuf's wire format: a number, or bytes with their length before them."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(number: int) -> bytes:
    return bytes((number,)) if number < 128 else bytes((number & 127 | 128,)) + varint(number >> 7)


def test_fields_are_read_by_the_numbers_that_onnx_publishes() -> None:
    """Written here byte by byte after onnx.proto, so that a wrong number in the schema shows."""
    weight = field(1, 2) + field(1, 3) + field(2, 1) + field(8, b"w") + field(9, bytes(24))
    attribute = field(1, b"group") + field(3, 4) + field(8, 7) + field(8, 9)
    node = (
        field(1, b"x")
        + field(1, b"w")
        + field(2, b"y")
        + field(3, b"the node")
        + field(4, b"Conv")
        + field(5, attribute)
        + field(7, b"")
    )
    shape = field(1, field(2, b"batch")) + field(1, field(1, 5))
    value = field(1, b"x") + field(2, field(1, field(1, 2) + field(2, shape)))
    graph = field(1, node) + field(5, weight) + field(11, value) + field(12, field(1, b"y")) + field(13, field(1, b"z"))
    content = (
        field(1, 8)
        + field(7, graph)
        + field(8, field(1, b"") + field(2, 18))
        + field(14, field(1, b"key") + field(2, b"value"))
    )
    content += field(25, field(1, b"f") + field(7, field(4, b"Relu")) + field(10, b"mine"))

    model = parse_model(content, WHERE)

    (found,), (tensor,), (taken,) = model.graph.node, model.graph.initializer, model.graph.input
    assert (list(found.input), list(found.output), found.name, found.op_type) == (["x", "w"], ["y"], "the node", "Conv")
    assert (found.attribute[0].name, found.attribute[0].i, list(found.attribute[0].ints)) == ("group", 4, [7, 9])
    assert (tensor.name, list(tensor.dims), tensor.data_type) == ("w", [2, 3], 1)
    assert (taken.name, taken.type.tensor_type.elem_type) == ("x", 2)
    assert [(d.dim_param, d.dim_value) for d in taken.type.tensor_type.shape.dim] == [("batch", 0), ("", 5)]
    assert (model.graph.output[0].name, model.graph.value_info[0].name) == ("y", "z")
    assert (model.ir_version, model.opset_import[0].version) == (8, 18)
    assert (model.metadata_props[0].key, model.metadata_props[0].value) == ("key", "value")
    assert (model.functions[0].name, model.functions[0].domain, model.functions[0].node[0].op_type) == (
        "f",
        "mine",
        "Relu",
    )


def test_a_model_file_says_the_same_here_as_to_onnxruntime(tiny_model: Path) -> None:
    """Inputs, outputs, opset and metadata, onnxruntime being the oracle."""
    model = parse_model(tiny_model.read_bytes(), tiny_model)
    session = onnxruntime.InferenceSession(tiny_model, providers=["CPUExecutionProvider"])
    assert [v.name for v in model.graph.input] == [i.name for i in session.get_inputs()]
    assert [v.name for v in model.graph.output] == [o.name for o in session.get_outputs()]
    assert {p.key: p.value for p in model.metadata_props} == session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"PK\x03\x04" + bytes(60), b"\x89PNG\r\n\x1a\n" + bytes(60), b"\xff" * 100]
)
def test_bytes_that_are_no_model_give_one_line_that_names_the_file(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"^some\.onnx: .*export") as caught:
        parse_model(content, WHERE)
    assert "\n" not in str(caught.value)


def test_a_model_cut_short_is_refused(tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    with pytest.raises(ModelError):
        parse_model(content[: len(content) // 2], tiny_model)


def test_text_that_is_no_utf8_is_refused_while_parsing() -> None:
    """Else it would fail later, at whoever reads the name first."""
    with pytest.raises(ModelError):
        parse_model(field(7, field(1, field(4, b"\xff\xfe"))), WHERE)


def test_the_schema_stays_out_of_the_pool_that_the_onnx_package_uses() -> None:
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("edgecnn.onnx.Model")


def test_the_weights_bytes_are_not_part_of_the_schema(tiny_model: Path) -> None:
    """Parsing stays cheap for large files."""
    model = parse_model(tiny_model.read_bytes(), tiny_model)
    assert "raw_data" not in model.graph.initializer[0].DESCRIPTOR.fields_by_name
