"""Finds missing NVIDIA libraries.

Without them onnxruntime disables its CUDA and TensorRT providers and reports the reason only in its log.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
from pathlib import Path

import onnxruntime

__all__ = ["missing_cuda_libraries"]

_DRIVER = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


def missing_cuda_libraries(*, tensorrt: bool) -> tuple[str, ...]:
    """Returns the libraries that do not load. Libraries that load stay loaded, so that the provider finds them.

    The libraries of the providers themselves are not tried, because they load only inside onnxruntime.

    Args:
        tensorrt: also check the libraries of TensorRT.
    """
    names = [_DRIVER[sys.platform]] if sys.platform in _DRIVER else []
    return (*_cuda_and_cudnn(), *(name for name in (*names, *(_tensorrt() if tensorrt else ())) if not _loads(name)))


def _cuda_and_cudnn() -> tuple[str, ...]:
    """Lets onnxruntime load the libraries of NVIDIA's Python packages and of the system, and reads its output."""
    if not hasattr(onnxruntime, "preload_dlls"):
        return ()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        onnxruntime.preload_dlls()
    return tuple(dict.fromkeys(re.findall(r"^Failed to load ([^\s:]+)", said.getvalue(), re.MULTILINE)))


def _tensorrt() -> tuple[str, ...]:
    """Checks the library names that the provider's library was linked with. Returns () if they cannot be read."""
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_tensorrt.so"
    try:
        found = re.search(rb"libnvinfer\.so\.\d+", library.read_bytes())
    except OSError:
        return ()
    return (found.group().decode(),) if found else ()


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
