"""Starts the child process that tries out a new model file while this process still imports what it needs.

The child imports NumPy and onnxruntime too, which takes as long as its trial of a small model. This module imports only
those of Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["CHILD", "IMAGE", "child_arguments", "start_child", "start_early", "unneeded", "verdict_folder"]

CHILD = ("-m", "edgecnn.runtime.admission.sandbox")
IMAGE = (224, 224)
"""Height and width of the test image, where the file leaves the size open."""

_early: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}  # at most one, by its arguments


def start_early(words: Sequence[str]) -> None:
    """Starts the child if the command line names a model file that was written after the newest verdict.

    Where the guess is wrong, nothing is lost but the child's start: :func:`unneeded` ends it.
    """
    model = next((word for word in words if word.endswith(".onnx")), None)
    if model is not None and not _early and _looks_new(model):
        arguments = child_arguments(CHILD, IMAGE, None)
        with suppress(OSError):  # whoever needs it will tell
            _early[arguments] = _start(arguments)


def start_child(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """The child with these arguments: the one that was started early, or a new one. Raises :class:`OSError`."""
    return _early.pop(arguments, None) or _start(arguments)


def unneeded() -> None:
    """Ends the child that was started early: the file is known. The next start shall not guess wrong again."""
    while _early:
        child = _early.popitem()[1]
        child.kill()
        child.communicate()
        with suppress(OSError):
            os.utime(verdict_folder())


def child_arguments(child: tuple[str, ...], image: tuple[int, int], seconds: float | None) -> tuple[str, ...]:
    """Of Python: the child's module, this process, the size of the test image, and the CPU time."""
    return (*child, str(os.getpid()), *map(str, image), str(seconds or 0))


def verdict_folder() -> Path:
    """Returns the folder of the verdicts: below ``EDGECNN_CACHE`` if set, else in the user's cache folder."""
    named = os.environ.get("EDGECNN_CACHE")
    if named:
        return Path(named) / "verdicts"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    # Not Path.home(), which raises where there is none
    return Path(base or os.path.expanduser("~/.cache")) / "edgecnn" / "verdicts"  # noqa: PTH111


def _looks_new(model: str) -> bool:
    """Whether the file was written, or moved here, after the newest verdict."""
    try:
        written_ns = os.stat(model).st_ctime_ns  # noqa: PTH116  # without pathlib it starts sooner
        return written_ns > os.stat(verdict_folder()).st_mtime_ns  # noqa: PTH116
    except FileNotFoundError:
        return os.path.isfile(model)  # noqa: PTH113  # then no verdict was ever written
    except (OSError, ValueError):
        return False


def _start(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    from edgecnn.runtime.system.subprocess_python import start_python  # noqa: PLC0415  # a known model starts none

    # Each would take address space
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return start_python(arguments, one_thread, start_new_session=True)
