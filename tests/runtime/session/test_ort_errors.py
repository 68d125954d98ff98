"""What onnxruntime says comes as one readable line."""

from __future__ import annotations

import pytest

from edgecnn.runtime.session.ort_errors import ort_reason


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model failed:Protobuf parsing failed.", "Load model failed:Protobuf parsing failed."),
        ("[ONNXRuntimeError] : 11 : EP_FAIL : Exception from src/a.cpp:1:\nException from src/b.cpp:2:\nNotFound: no such property\n\n", "NotFound: no such property"),
        ("/onnxruntime/python/state.cc:1053 std::shared_ptr<F> onnxruntime::python::Create(const onnxruntime::Options&) Invalid option: x\n", "Invalid option: x"),
        ("[ONNXRuntimeError] : 2 : FAIL : /src/ep.cc:393 virtual P F::Create(const O&) [ONNXRuntimeError] : 2 : FAIL : JSON (at line 1)", "JSON (at line 1)"),
        ("Exception during initialization: [OpenVINO-EP] Loading Network: Exception from src/a.cpp:1:\nNotFound: no such property", "NotFound: no such property"),
        ("", "ValueError"),
    ],
)  # fmt: skip
def test_codes_and_places_in_sources_are_left_out(said: str, line: str) -> None:
    assert ort_reason(ValueError(said)) == line
