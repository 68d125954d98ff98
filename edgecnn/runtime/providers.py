"""Execution providers by their short names: which are here, and what to install for those that are not."""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime

from edgecnn.errors import ProviderError

__all__ = ["PROVIDERS", "Provider", "available", "parse"]


@dataclass(frozen=True)
class Provider:
    """One execution provider of onnxruntime."""

    name: str  # short, as on the command line
    full_name: str  # onnxruntime's
    remedy: str  # how to get it


PROVIDERS = {
    p.name: p
    for p in (  # best first: the order in which `auto` tries them
        Provider("tensorrt", "TensorrtExecutionProvider", "install onnxruntime-gpu in place of onnxruntime, and TensorRT"),
        Provider("cuda", "CUDAExecutionProvider", "install onnxruntime-gpu in place of onnxruntime, and CUDA 13 with cuDNN 9"),
        Provider("coreml", "CoreMLExecutionProvider", "use onnxruntime's macOS wheel"),
        Provider("directml", "DmlExecutionProvider", "install onnxruntime-directml in place of onnxruntime (Windows)"),
        Provider("openvino", "OpenVINOExecutionProvider", "install onnxruntime-openvino in place of onnxruntime"),
        Provider("qnn", "QNNExecutionProvider", "install onnxruntime-qnn in place of onnxruntime (Windows on Snapdragon)"),
        Provider("cpu", "CPUExecutionProvider", "every onnxruntime has it"),
        Provider("xnnpack", "XnnpackExecutionProvider", "build onnxruntime with XNNPACK"),
    )
}


def available() -> tuple[Provider, ...]:
    """Those that the installed onnxruntime was built with, best first."""
    built_in = set(onnxruntime.get_available_providers())
    return tuple(p for p in PROVIDERS.values() if p.full_name in built_in)


def parse(names: str) -> tuple[Provider, ...]:
    """``"cuda,cpu"`` -> the providers in that order.

    Raises:
        ProviderError: an unknown name.
    """
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in PROVIDERS]
    if unknown or not wanted:
        raise ProviderError(f"--ep {names}: no provider is called '{', '.join(unknown)}'; there are auto, {', '.join(PROVIDERS)}")
    return tuple(PROVIDERS[name] for name in wanted)
