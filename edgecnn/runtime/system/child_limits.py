"""Limits that a child process sets for itself, so that whatever it does the process that started it goes on."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["give_way", "limit_memory", "out_of_memory", "perish_first", "resource_module"]

_USUALLY_TAKEN_BYTES = 1 << 30  # 150 MB were measured; a build of onnxruntime for a GPU maps more
# How libraries that are written in C++ say it, onnxruntime and OpenCV among them
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "allocate memory", "Failed to allocate", "out of memory")


def resource_module() -> Any:
    """The module ``resource``; None: the system has no such limits."""
    # Unix alone has it, and mypy asks on every system
    return None if sys.platform == "win32" else importlib.import_module("resource")


def perish_first() -> None:
    """Leaves no core dump, and is the first process that the kernel kills when memory runs out."""
    resource = resource_module()
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError):  # some containers forbid it; the other limits hold
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def limit_memory(count: int) -> None:
    """Limits the address space to its current size plus ``count`` bytes. Only Linux enforces this limit."""
    if sys.platform != "linux":
        return
    resource = resource_module()
    try:
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:  # no /proc
        used = _USUALLY_TAKEN_BYTES
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = used + count
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory was not enough: Python's own, or a library's, by its words."""
    text = " ".join(str(error).split())
    return isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY)


def give_way(by: int) -> None:
    """Lets other processes have the processor first: ``by`` is added to this one's niceness, which ends at 19.

    The child stays in the session of its parent: Linux may share the processor between sessions first (autogroup), and
    then the priority counts within a session alone.
    """
    if sys.platform != "win32":
        with suppress(OSError):
            os.nice(by)
