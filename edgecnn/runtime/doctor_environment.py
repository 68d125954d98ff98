"""Examines Python, the packages and the processor."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import cv2
import onnxruntime

from edgecnn import __version__
from edgecnn.runtime.cpu_features import cpu_flags, cpu_name, has_vnni, is_x86, physical_cores
from edgecnn.runtime.finding import Finding
from edgecnn.runtime.providers import PROVIDERS, available

__all__ = ["examine_environment"]

# Distributions that install the same module, each over the other's files
_OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml", "onnxruntime-qnn", "onnxruntime-training")
_INT8_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def examine_environment() -> list[Finding]:
    """All findings, the clashes among them as faults."""
    return [*_versions(), *_clash("OpenCV", _OPENCVS), *_clash("onnxruntime", _ONNXRUNTIMES), *_providers(), *_processor(), *_extras()]


def _versions() -> Iterator[Finding]:
    yield Finding("ok", f"EdgeCNN {__version__}, Python {platform.python_version()} on {platform.system()} {platform.machine()}", sys.executable, "")
    yield Finding("ok", f"onnxruntime {onnxruntime.__version__}, OpenCV {cv2.__version__}, {_windows()}", "packages", "")


def _windows() -> str:
    """Whether this OpenCV can open a window, by its own build notes."""
    line = next((x for x in cv2.getBuildInformation().splitlines() if x.strip().startswith("GUI:")), "")
    return "without windows" if line.split()[1:2] == ["NONE"] else "with windows"


def _clash(what: str, names: tuple[str, ...]) -> Iterator[Finding]:
    found = [f"{name} {installed}" for name in names if (installed := _installed(name))]
    if len(found) > 1:
        remedy = f"pip uninstall {' '.join(f.split()[0] for f in found)}, then install the one you want"
        yield Finding("fault", f"two packages install the same {what}: {', '.join(found)}; which files won is chance", "packages", remedy)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _providers() -> Iterator[Finding]:
    here = available()
    yield Finding("ok", f"execution providers: {', '.join(p.name for p in here)}", "onnxruntime", "")
    wanted = [PROVIDERS[name] for name in ("cuda", "openvino") if PROVIDERS[name] not in here]
    for provider in wanted:
        yield Finding("note", f"{provider.name} is not here", "onnxruntime", provider.remedy)


def _processor() -> Iterator[Finding]:
    flags = cpu_flags()
    known = [name for name in _INT8_FLAGS if name in flags]
    yield Finding(
        "ok", f"{cpu_name()}, {physical_cores()} cores of {os.cpu_count()} threads; {', '.join(known) or 'instruction sets unknown'}", "processor", ""
    )
    if is_x86() and not has_vnni():
        what = "no VNNI: products of int8 saturate, and int8 gains less"
        yield Finding("warning", what, "processor", "quantize on this machine: `edgecnn quantize` then keeps weights to seven bits")


def _extras() -> Iterator[Finding]:
    missing = [name for name in ("torch", "onnx", "onnxscript", "matplotlib") if find_spec(name) is None]
    if missing:
        yield Finding(
            "note",
            f"without {', '.join(missing)} this is a device: it runs models, it does not train or export",
            "packages",
            "pip install 'edgecnn[train]'",
        )
    else:
        yield Finding("ok", "training and export are installed", "packages", "")
