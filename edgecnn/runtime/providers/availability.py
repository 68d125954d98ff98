"""Determines why an execution provider is not available: its package, one of its libraries, or the machine."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import onnxruntime

from edgecnn.runtime.providers.registry import PROVIDERS, Provider, available, why_missing
from edgecnn.runtime.system.cpu_features import cpu_name, is_x86

__all__ = ["Machine", "Reason", "missing_library", "missing_providers", "this_machine"]

_ROOT = Path("/")
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # PCI's numbers of the maker and of the kind of device
_LOADING_TIMEOUT_S = 30.0

# onnxruntime's names of the libraries it loads for a provider, where a provider has one of its own
_LIBRARIES = {
    "tensorrt": "onnxruntime_providers_tensorrt",
    "cuda": "onnxruntime_providers_cuda",
    "openvino": "onnxruntime_providers_openvino",
}

# CUDA looks for it at run time; a container without --gpus lacks it
_DRIVERS = {
    "linux": ("libcuda.so.1",),
    "win32": ("nvcuda.dll",),
}
_LIBRARY_REMEDIES = {
    ("libcuda.so", "nvcuda.dll"): "install NVIDIA's driver; start a container with --gpus all",
    (
        "nvinfer",
        "nvonnxparser",
    ): "install TensorRT in a folder that the loader searches (LD_LIBRARY_PATH), or use --ep cuda",
    (
        "cublas",
        "cudart",
        "cudnn",
        "cufft",
        "curand",
        "nvrtc",
        "nvJitLink",
    ): "pip install 'onnxruntime-gpu[cuda,cudnn]' brings CUDA and cuDNN",
    ("openvino", "tbb"): "pip install --force-reinstall onnxruntime-openvino",
}

# In a process of its own: a provider's library that was loaded before onnxruntime loads it would not find onnxruntime,
# and CUDA's take long to unload
_LOAD = """
import ctypes, os, sys
sys.stdout = sys.stderr
import onnxruntime
if hasattr(onnxruntime, "preload_dlls"):
    onnxruntime.preload_dlls()
folder, library = os.path.split(sys.argv[1])
shared = os.path.join(folder, library.partition("providers_")[0] + "providers_shared" + os.path.splitext(library)[1])
if os.path.exists(shared):
    ctypes.CDLL(shared, mode=ctypes.RTLD_GLOBAL)
try:
    for path in sys.argv[1:]:
        ctypes.CDLL(path)
except OSError as error:
    print(error, file=sys.__stdout__)
"""


@dataclass(frozen=True)
class Reason:
    """Why a provider is not available, and the remedy."""

    provider: str
    kind: Literal["package", "library", "driver", "hardware"]
    what: str
    remedy: str  # empty where the machine is not made for it


@dataclass(frozen=True)
class Machine:
    """Properties of the machine that decide which providers it supports."""

    system: str  # Linux, Darwin or Windows
    x86: bool
    intel: bool
    snapdragon: bool
    nvidia: Literal["driver", "device", "none"]  # a driver that runs; a device without one; neither


@cache
def this_machine(root: Path = _ROOT) -> Machine:
    """Returns the properties of this machine, without loading a provider's library.

    Args:
        root: root of the file system; tests pass another one.
    """
    chips = _read(root / "proc/device-tree/compatible") + cpu_name()
    snapdragon = "qcom" in chips or "snapdragon" in chips.lower() or "qualcomm" in chips.lower()
    return Machine(
        system=platform.system(),
        x86=is_x86(),
        intel=is_x86() and "intel" in cpu_name().lower(),
        snapdragon=snapdragon,
        nvidia=_nvidia(root),
    )


def _nvidia(root: Path) -> Literal["driver", "device", "none"]:
    """Returns what is found of an NVIDIA GPU. Jetsons have another driver; Windows and WSL only have nvidia-smi."""
    marks = ("proc/driver/nvidia/version", "dev/nvhost-ctrl-gpu", "dev/nvgpu")
    if any((root / mark).exists() for mark in marks) or (root == _ROOT and shutil.which("nvidia-smi")):
        return "driver"
    devices = (root / "sys/bus/pci/devices").glob("*")
    found = any(_read(d / "vendor").strip() == _NVIDIA and _read(d / "class").startswith(_DISPLAY) for d in devices)
    return "device" if found else "none"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def missing_providers(
    machine: Machine | None = None, library: Callable[[Provider], str | None] | None = None
) -> tuple[Reason, ...]:
    """Returns the known providers that are not available here, best first, each with the reason.

    Args:
        machine: the machine; None: this one.
        library: returns the library of a provider that does not load; None: :func:`missing_library`.
    """
    machine, library = machine or this_machine(), library or missing_library
    found = (_reason(provider, machine, library) for provider in PROVIDERS.values())
    return tuple(reason for reason in found if reason is not None)


def _reason(provider: Provider, machine: Machine, library: Callable[[Provider], str | None]) -> Reason | None:
    built_in = provider in available()
    unfit = _unfit(provider.name, machine)
    if unfit:  # an onnxruntime built for GPUs names its providers on any machine
        return (
            Reason(provider.name, "hardware", unfit, "")
            if not built_in or provider.name in ("tensorrt", "cuda")
            else None
        )
    if provider.name in ("tensorrt", "cuda") and machine.nvidia == "device":
        return Reason(
            provider.name,
            "driver",
            "an NVIDIA GPU was found, but its driver is not installed",
            "install NVIDIA's driver, then restart",
        )
    if not built_in:
        what, _, remedy = (why_missing(provider) or "").partition("; ")
        return Reason(provider.name, "package", what, remedy)
    lacking = library(provider)
    return (
        Reason(provider.name, "library", f"the library {lacking} cannot be loaded", _remedy(lacking) or provider.remedy)
        if lacking
        else None
    )


def _remedy(library: str) -> str:
    return next((remedy for parts, remedy in _LIBRARY_REMEDIES.items() if any(part in library for part in parts)), "")


def _unfit(name: str, machine: Machine) -> str:
    """Returns the hardware that the provider needs."""
    needs: Mapping[str, tuple[bool, str]] = {
        "tensorrt": (machine.nvidia != "none", "an NVIDIA GPU"),
        "cuda": (machine.nvidia != "none", "an NVIDIA GPU"),
        "coreml": (machine.system == "Darwin", "macOS"),
        "directml": (machine.system == "Windows", "Windows"),
        "openvino": (machine.intel, "an Intel processor"),
        "qnn": (machine.snapdragon, "a Snapdragon processor"),
        "xnnpack": (not machine.x86, "an ARM processor"),
    }
    fits, need = needs.get(name, (True, ""))
    return "" if fits else need


@cache
def missing_library(provider: Provider) -> str | None:
    """Returns the library that prevents a provider's library from loading, for example libcudnn.so.9.

    Returns None if the provider's library loads, or if the provider has no library.
    """
    stem = _LIBRARIES.get(provider.name)
    prefix, suffix = ("", ".dll") if sys.platform == "win32" else ("lib", ".so")
    path = Path(onnxruntime.__file__).parent / "capi" / f"{prefix}{stem}{suffix}"
    if stem is None or not path.exists():
        return None
    return missing_in(path, *_DRIVERS.get(sys.platform, ()) if provider.name in ("tensorrt", "cuda") else ())


def missing_in(path: Path, *others: str) -> str | None:
    """Loads libraries in a child process. Returns what prevents the first failing one from loading, or None."""
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", _LOAD, str(path), *others],
            capture_output=True,
            text=True,
            timeout=_LOADING_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.strip().splitlines()
    if not lines:
        return path.name if done.returncode else None
    name = re.match(r"(\S+?): cannot open shared object file", lines[0])
    return name[1] if name else f"{path.name} ({lines[0]})"
