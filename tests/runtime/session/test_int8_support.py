"""An int8 file goes to no provider that would compute it in float; the refusal names the file to use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import ProviderError
from edgecnn.runtime.onnx_file.proto import _Model, parse_model
from edgecnn.runtime.providers.registry import PROVIDERS
from edgecnn.runtime.session.int8_support import check_int8, int8_form, suggest_alternative
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session

INT8, UINT8, INT32 = 3, 2, 6


def _layer(*, signed: bool = True, weights_from_float: bool = True, int32_bias: bool = False) -> Any:
    """One convolution between pairs, as the targets differ in it."""
    graph = _Model().graph

    def node(kind: str, inputs: str, output: str) -> None:
        graph.node.add(op_type=kind, input=inputs.split(), output=[output])

    for name, kind in (
        ("zero", INT8 if signed else UINT8),
        ("weight_zero", INT8),
        ("integers", INT8),
        ("bias_integers", INT32),
    ):
        graph.initializer.add(name=name, data_type=kind)
    node("QuantizeLinear", "image scale zero", "quantized")
    node("DequantizeLinear", "quantized scale zero", "pixels")
    if weights_from_float:
        node("QuantizeLinear", "floats weight_scale weight_zero", "integers")
    node("DequantizeLinear", "integers weight_scale weight_zero", "weight")
    if int32_bias:
        node("DequantizeLinear", "bias_integers bias_scale", "bias")
    node("Conv", "pixels weight bias", "out")
    return _holding(graph)


def _holding(graph: Any) -> Any:
    model = _Model()
    model.graph.CopyFrom(graph)
    return model


def test_the_form_that_tensorrt_takes_is_told_from_the_others() -> None:
    assert int8_form(_layer()) == "tensorrt"
    assert int8_form(_layer(signed=False)) == "other"
    assert int8_form(_layer(weights_from_float=False)) == "other"
    assert int8_form(_layer(int32_bias=True)) == "other"


def test_integer_operators_are_no_form_of_tensorrts() -> None:
    model = _Model()
    model.graph.node.add(op_type="QLinearConv", input=["x"], output=["y"])
    assert int8_form(model) == "other"


def test_the_committed_models_are_float_and_int8(tiny_model: Path, tiny_int8_model: Path) -> None:
    assert int8_form(parse_model(tiny_model.read_bytes(), tiny_model)) == "float"
    assert int8_form(parse_model(tiny_int8_model.read_bytes(), tiny_int8_model)) == "other"


@pytest.mark.parametrize("ep", ["cuda", "tensorrt"])
def test_an_int8_file_is_refused_before_anything_is_opened_with_the_float_file_beside_it(
    ep: str, tiny_int8_model: Path
) -> None:
    with pytest.raises(ProviderError, match=r"tiny\.int8\.onnx is an int8 file.*give the float file .*tiny\.onnx"):
        open_session(tiny_int8_model, ep)


def test_other_providers_and_float_files_are_let_through(tiny_model: Path, tiny_int8_model: Path) -> None:
    for name in PROVIDERS:
        check_int8(read_model_file(tiny_model), PROVIDERS[name])
        if name not in ("cuda", "tensorrt"):
            check_int8(read_model_file(tiny_int8_model), PROVIDERS[name])


def test_where_the_next_provider_is_named_an_int8_file_runs_there(
    tiny_int8_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_session(tiny_int8_model, "cuda,cpu").ep == "cpu"
    assert "has no int8 convolutions" in caplog.text


def test_without_a_file_beside_it_the_refusal_says_how_to_make_one(tmp_path: Path) -> None:
    assert "edgecnn export" in suggest_alternative(tmp_path / "m.int8.onnx", "cuda")
    assert "--target tensorrt" in suggest_alternative(tmp_path / "m.int8.onnx", "tensorrt")


def test_tensorrt_is_given_the_file_that_was_made_for_it_where_there_is_one(tmp_path: Path) -> None:
    for name in ("m.onnx", "m.int8.onnx", "m.int8.tensorrt.onnx"):
        (tmp_path / name).touch()
    assert suggest_alternative(tmp_path / "m.int8.onnx", "tensorrt") == f"give {tmp_path / 'm.int8.tensorrt.onnx'}"
    assert (
        suggest_alternative(tmp_path / "m.int8.tensorrt.onnx", "cuda") == f"give the float file {tmp_path / 'm.onnx'}"
    )
