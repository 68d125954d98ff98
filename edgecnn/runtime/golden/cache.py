"""Caches that the golden samples of a model passed on this device.

The same file on the same processor and onnxruntime gives the same results at the next start. The entry is stored with
the verdict on the file (:mod:`edgecnn.runtime.admission.verdict_cache`), for the CPU provider only: a GPU driver can
change while onnxruntime stays the same.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import onnxruntime

from edgecnn._version import __version__
from edgecnn.runtime.admission.verdict_cache import recall, remember
from edgecnn.runtime.system.cpu_features import cpu_flags, cpu_name
from edgecnn.runtime.system.denormals import flushes_denormals

__all__ = ["is_proven", "remember_proof"]


def is_proven(sha256: str, threads: int) -> bool:
    """Whether the golden samples of this file passed before on this processor with the same software.

    Args:
        sha256: SHA-256 of the model file.
        threads: CPU threads per inference.
    """
    verdict = recall(sha256)
    return verdict is not None and verdict.proven == _circumstances(threads)


def remember_proof(sha256: str, threads: int) -> None:
    """Stores that the golden samples passed, if the file has a stored verdict."""
    verdict = recall(sha256)
    if verdict is not None:
        remember(sha256, replace(verdict, proven=_circumstances(threads)))


def _circumstances(threads: int) -> str:
    """Returns what results depend on besides the file: processor, build of onnxruntime, threads, version of EdgeCNN."""
    # Size and date of the library tell two builds of a version apart
    built = os.stat(onnxruntime.capi.onnxruntime_pybind11_state.__file__)  # noqa: PTH116
    parts = (
        cpu_name(),
        *sorted(cpu_flags()),
        onnxruntime.__version__,
        built.st_size,
        built.st_mtime_ns,
        threads,
        __version__,
        *(("flushes denormals",) if flushes_denormals() else ()),
    )
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
