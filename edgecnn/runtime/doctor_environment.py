"""Examines Python, the packages and the processor."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import cv2
import onnxruntime

from edgecnn import __version__
from edgecnn.finding import Finding
from edgecnn.runtime.cpu_features import cpu_flags, cpu_name, has_vnni, is_x86, physical_cores
from edgecnn.runtime.providers import PROVIDERS, available

__all__ = ["examine_environment"]

_LEAST_PYTHON = (3, 10)

# Distributions that install the same module, each over the other's files. The plugins, onnxruntime-ep-*, install another one
_OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIMES = (
    "onnxruntime",
    *(f"onnxruntime-{kind}" for kind in ("gpu", "openvino", "directml", "qnn", "rocm", "migraphx", "vitisai", "webgpu", "training", "silicon")),
    *("ort-nightly", "ort-nightly-gpu", "ort-nightly-directml"),
)
_TRAINING = ("torch", "onnx", "onnxscript", "matplotlib")
_INT8_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm")


def examine_environment() -> list[Finding]:
    """All findings, the clashes among them as faults."""
    return [
        *_python(sys.version_info[:2]),
        *_packages(),
        *_clash("OpenCV", _OPENCVS, "opencv-python-headless, or opencv-python for --show"),
        *_clash("onnxruntime", _ONNXRUNTIMES, "the one for this device"),
        *_providers(),
        *_processor(),
        *_extras(),
    ]


def _python(running: tuple[int, int]) -> Iterator[Finding]:
    found = f"EdgeCNN {__version__} on Python {platform.python_version()}, {platform.platform()}"
    if running < _LEAST_PYTHON:
        least = ".".join(map(str, _LEAST_PYTHON))
        yield Finding("fault", f"{found}: Python {least} or later is needed", sys.executable, "make a virtual environment with a later Python")
    else:
        yield Finding("ok", found, sys.executable, "")


def _packages() -> Iterator[Finding]:
    providers = ", ".join(p.name for p in available())
    yield Finding("ok", f"onnxruntime {onnxruntime.__version__} with {providers}; OpenCV {cv2.__version__}", "packages", "")
    if _has_windows():
        yield Finding("note", "with windows: --show works", "OpenCV", "")
    else:
        yield Finding("note", "headless: it shows no windows", "OpenCV", "for --show, install opencv-python in place of opencv-python-headless")


def _has_windows() -> bool:
    """By OpenCV's own build notes."""
    line = next((x for x in cv2.getBuildInformation().splitlines() if x.strip().startswith("GUI:")), "")
    return line.split()[1:2] != ["NONE"]


def _clash(what: str, names: tuple[str, ...], wanted: str) -> Iterator[Finding]:
    found = {name: installed for name in names if (installed := _installed(name))}
    if len(found) > 1:
        listed = ", ".join(f"{name} {installed}" for name, installed in found.items())
        remedy = f"pip uninstall {' '.join(found)}, then pip install one of them: {wanted}"
        yield Finding("fault", f"{len(found)} packages install the same {what}, each over the other's files: {listed}", what, remedy)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _providers() -> Iterator[Finding]:
    """Those that this machine could use, were they installed."""
    here = available()
    missing = [PROVIDERS[name] for name in _fitting() if PROVIDERS[name] not in here]
    if missing:
        remedy = "; ".join(f"{p.name}: {p.remedy}" for p in missing)
        yield Finding("note", f"this machine may also have {', '.join(p.name for p in missing)}", "onnxruntime", remedy)


def _fitting() -> Iterator[str]:
    system = platform.system()
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        yield from ("tensorrt", "cuda")
    if system == "Darwin":
        yield "coreml"
    if system == "Windows":
        yield from ("directml", *(["qnn"] if platform.machine().lower() == "arm64" else []))
    if is_x86() and "intel" in cpu_name().lower():
        yield "openvino"


def _processor() -> Iterator[Finding]:
    flags = cpu_flags()
    known = ", ".join(name for name in _INT8_FLAGS if name in flags) or "none"
    sets = f"instruction sets for int8: {known}" if flags else "the system does not tell its instruction sets"
    yield Finding("ok", f"{cpu_name()}, {physical_cores()} cores, {os.cpu_count()} threads; {sets}", "processor", "")
    if not has_vnni():
        what = "no VNNI: products of int8 saturate, and int8 gains less"
        yield Finding("warning", what, "processor", "quantize on this machine: `edgecnn quantize` then keeps weights to seven bits")


def _extras() -> Iterator[Finding]:
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing:
        what = f"without {', '.join(missing)} it runs models, and does not train or export them"
        yield Finding("note", what, "extra train", "pip install 'edgecnn[train]'")
    else:
        yield Finding("note", "installed: trains, exports and quantizes", "extra train", "")
