"""A library of NVIDIA's that is missing is named, and what onnxruntime prints of it stays off standard output."""

from __future__ import annotations

import ctypes
from pathlib import Path

import onnxruntime
import pytest

from edgecnn.errors import ProviderError
from edgecnn.runtime.providers import cuda_libraries
from edgecnn.runtime.providers.cuda_libraries import missing_cuda_libraries
from edgecnn.runtime.providers.registry import PROVIDERS, why_missing
from edgecnn.runtime.session.opening import open_session

GPU_BUILD = PROVIDERS["cuda"].built_in


def _preload() -> None:
    print("Failed to load libcudnn.so.9: libcudnn.so.9: cannot open shared object file: No such file or directory")
    print("Failed to load libcublas.so.13: libcublas.so.13: cannot open shared object file: No such file or directory")
    print("Please follow the instructions to install CUDA.")


def test_what_onnxruntime_prints_is_read_and_not_passed_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "preload_dlls", _preload, raising=False)
    assert missing_cuda_libraries(tensorrt=False)[:2] == ("libcudnn.so.9", "libcublas.so.13")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("has_driver", [True, False])
def test_the_driver_is_looked_for_by_loading_it(has_driver: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if not has_driver:
            raise OSError(name)

    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(cuda_libraries.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert missing_cuda_libraries(tensorrt=False) == (() if has_driver else ("libcuda.so.1",))


def test_tensorrts_library_goes_by_the_version_that_the_provider_was_linked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_tensorrt.so").write_bytes(b"ELF \0libnvinfer.so.99\0libc.so.6\0")
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    assert missing_cuda_libraries(tensorrt=True)[-1] == "libnvinfer.so.99"
    assert "libnvinfer.so.99" not in missing_cuda_libraries(tensorrt=False)


@pytest.mark.skipif(
    not GPU_BUILD or not PROVIDERS["cuda"].missing_libraries, reason="no onnxruntime-gpu that lacks a library"
)
def test_onnxruntime_gpu_without_its_libraries_is_an_error_that_names_them(
    tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = PROVIDERS["cuda"].missing_libraries
    with pytest.raises(ProviderError) as refused:
        open_session(tiny_model, "cuda")
    assert all(name in str(refused.value) for name in missing)
    assert missing[0] in str(why_missing(PROVIDERS["cuda"]))
    assert capfd.readouterr() == ("", "")  # one line, ours, and nothing before it
