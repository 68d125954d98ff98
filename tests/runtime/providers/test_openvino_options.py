"""OpenVINO's options become JSON by device; what its plugin would ignore is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgecnn.errors import ProviderError
from edgecnn.runtime.providers.openvino_options import openvino_options


def config(asked: Mapping[str, str], device: str = "CPU") -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(openvino_options(asked, device, 3)["load_config"])
    return found


def test_on_the_cpu_it_has_our_threads_and_floats_of_32_bits() -> None:
    assert config({}) == {"CPU": {"INFERENCE_NUM_THREADS": "3", "INFERENCE_PRECISION_HINT": "f32"}}
    assert config({}, "GPU") == {"GPU": {}}


def test_what_is_asked_for_goes_before_what_we_would_say() -> None:
    assert config({"INFERENCE_PRECISION_HINT": "bf16"})["CPU"]["INFERENCE_PRECISION_HINT"] == "bf16"
    assert "INFERENCE_PRECISION_HINT" not in config({"EXECUTION_MODE_HINT": "PERFORMANCE"})["CPU"]
    assert config({"load_config": '{"CPU": {"INFERENCE_NUM_THREADS": "7"}}'})["CPU"]["INFERENCE_NUM_THREADS"] == "7"


def test_properties_in_capitals_are_the_devices(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"GPU": {"NUM_STREAMS": "2"}, "NPU": {"NPU_TURBO": "YES"}}')
    asked = {"load_config": str(tmp_path / "config.json"), "CACHE_DIR": "kept"}
    assert config(asked, "GPU") == {"GPU": {"NUM_STREAMS": "2", "CACHE_DIR": "kept"}, "NPU": {"NPU_TURBO": "YES"}}


def test_other_options_are_passed_on_where_the_provider_reads_them() -> None:
    assert openvino_options({"precision": "FP32"}, "CPU", 1)["precision"] == "FP32"
    assert (
        openvino_options({"reshape_input": "image[1,32,32,3]"}, "CPU", 1, passed_on=("reshape_input",))["reshape_input"]
        == "image[1,32,32,3]"
    )
    with pytest.raises(ProviderError, match="no option 'precision'"):
        openvino_options({"precision": "FP32"}, "CPU", 1, passed_on=("reshape_input",))


@pytest.mark.parametrize("given", ["gone.json", "{", '{"CPU": 1}', "[]"])
def test_a_configuration_that_cannot_be_read_is_refused(given: str) -> None:
    with pytest.raises(ProviderError):
        openvino_options({"load_config": given}, "CPU", 1)
