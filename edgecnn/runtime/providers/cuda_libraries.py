"""Which of NVIDIA's libraries are missing.

Onnxruntime itself leaves their providers out, and tells why in its log alone.
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
    """Libraries that do not load; those that do stay loaded, for the provider to find.

    The providers' own libraries are not tried: loaded before onnxruntime loads them, they would not find it.

    Args:
        tensorrt: those of TensorRT too.
    """
    names = [_DRIVER[sys.platform]] if sys.platform in _DRIVER else []
    return (*_cuda_and_cudnn(), *(name for name in (*names, *(_tensorrt() if tensorrt else ())) if not _loads(name)))


def _cuda_and_cudnn() -> tuple[str, ...]:
    """onnxruntime looks in NVIDIA's Python packages, then where the system looks, and prints what it misses on standard
    output."""
    if not hasattr(onnxruntime, "preload_dlls"):
        return ()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        onnxruntime.preload_dlls()
    return tuple(dict.fromkeys(re.findall(r"^Failed to load ([^\s:]+)", said.getvalue(), re.MULTILINE)))


def _tensorrt() -> tuple[str, ...]:
    """By the name and version that the provider's library was linked with; nothing where that cannot be read."""
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
