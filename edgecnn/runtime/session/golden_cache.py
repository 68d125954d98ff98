"""Remembers that a model's golden samples held here.

The same bytes on the same processor and onnxruntime compute the same at the next start.

The proof stands with the file's verdict (:mod:`edgecnn.runtime.admission.verdict_cache`), for the CPU provider alone: a
GPU's driver changes under an onnxruntime that stays.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import onnxruntime

from edgecnn._version import __version__
from edgecnn.runtime.admission.verdict_cache import recall, remember
from edgecnn.runtime.system.cpu_features import cpu_flags, cpu_name

__all__ = ["is_proven", "remember_proof"]


def is_proven(sha256: str, threads: int) -> bool:
    """Whether the golden samples of the file with this hash held under these circumstances.

    Args:
        sha256: of the model file.
        threads: of one inference.
    """
    verdict = recall(sha256)
    return verdict is not None and verdict.proven == _circumstances(threads)


def remember_proof(sha256: str, threads: int) -> None:
    """Keeps that they held, for the next start; of a file without a verdict nothing is kept."""
    verdict = recall(sha256)
    if verdict is not None:
        remember(sha256, replace(verdict, proven=_circumstances(threads)))


def _circumstances(threads: int) -> str:
    """What an answer may depend on beside the file.

    The processor, the build of onnxruntime, how many threads share the work, our own code.
    """
    built = os.stat(onnxruntime.capi.onnxruntime_pybind11_state.__file__)  # noqa: PTH116  # its size and date tell two builds of a version apart
    parts = (
        cpu_name(),
        *sorted(cpu_flags()),
        onnxruntime.__version__,
        built.st_size,
        built.st_mtime_ns,
        threads,
        __version__,
    )
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
