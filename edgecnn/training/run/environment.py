"""What a run depends on beside its options and its images: versions and the processor."""

from __future__ import annotations

import platform
from pathlib import Path

import cv2
import numpy as np
import torch

from edgecnn._version import __version__

__all__ = ["environment"]


def environment(device: torch.device) -> list[tuple[str, str]]:
    """Names and values, for a person who wants to repeat a run."""
    versions = (
        f"edgecnn {__version__}, torch {torch.__version__}, Python {platform.python_version()}, numpy "
        f"{np.__version__}, OpenCV {cv2.__version__}"
    )
    found = [("versions", versions), ("system", f"{platform.system()} {platform.release()}, {platform.machine()}")]
    found.append(
        ("processor", f"{_processor()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    )
    if device.type == "cuda":
        found.append(("GPU", f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"))
    return found


def _processor() -> str:
    """Its name as far as the system tells: Python knows it on Windows and macOS, Linux in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, "") or platform.processor() or platform.machine()
