"""Admits or refuses a model file before this process opens it.

A model file can crash onnxruntime, which no ``try`` catches, or keep it busy forever. A new file is
therefore parsed, checked against rules and run once in a child process with time and memory limits. The verdict is
cached by the SHA-256 of the file, so that a known model opens without delay. docs/untrusted-models.md describes what
this guarantees and what it does not.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import onnxruntime

from edgecnn.errors import ModelError
from edgecnn.runtime.admission.verdict_cache import Verdict, recall, remember
from edgecnn.runtime.session.model_file import ModelFile

if TYPE_CHECKING:
    import subprocess

__all__ = ["admit", "admit_own"]

log = logging.getLogger("edgecnn")

_SECONDS = 9.0  # of waiting: a refusal is promised within 10
_CHILD = ("-m", "edgecnn.runtime.admission.sandbox")
_IMAGE = (224, 224)  # where the file leaves the size open
_REMEDY = "give a .onnx file that `edgecnn export` wrote"


class _NoVerdictError(Exception):
    """The probe failed for a reason that says nothing about the model."""


def admit(model: ModelFile, image: tuple[int, int] | None = None, *, remedy: str = _REMEDY) -> None:
    """Checks that the model may be opened in this process.

    Args:
        model: the file, as it will be run.
        image: height and width of the test image, in pixels, if the file does not fix them.
        remedy: what the error of a refused file advises.

    Raises:
        ModelError: the model is refused, or the check failed. The message says which.
    """
    verdict = recall(model.sha256)
    if verdict is None:
        try:
            verdict = Verdict(_probe(model.content, image or _IMAGE))
        except _NoVerdictError as error:
            raise ModelError(
                f"{model.path}: not opened because the safety check in a child process failed: {error}"
            ) from error
        remember(model.sha256, verdict)
    if verdict.why is not None:
        raise ModelError(f"{model.path}: refused because {verdict.why}; {remedy}")


def admit_own(model: ModelFile) -> None:
    """Caches a positive verdict for a file that this program made, ran and compared with its original.

    Such a file needs no trial run on this machine.

    Raises:
        ModelError: the file violates a rule, so devices would refuse it.
    """
    from edgecnn.runtime.admission.rules import RefusedError, check_structure  # noqa: PLC0415  # a known model is not parsed
    from edgecnn.runtime.onnx_file.proto import parse_model  # noqa: PLC0415

    try:
        check_structure(parse_model(model.content, model.path), len(model.content))
    except RefusedError as error:
        raise ModelError(f"{model.path}: devices would refuse it because {error}") from error
    remember(model.sha256, Verdict(None))


def _probe(content: bytes, image: tuple[int, int]) -> str | None:
    """Runs the probe in a child process. Returns why the model is refused, or None. Raises :class:`_NoVerdictError`."""
    import subprocess  # noqa: PLC0415  # a known model starts no process

    child = _start(image)
    try:
        answer, _ = child.communicate(content, _SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _NoVerdictError(
            f"it did not finish within {_SECONDS:g} s; try again when the machine is less busy"
        ) from error
    finally:
        _end(child)
    if child.returncode != 0:
        return _by_signal(child.returncode)
    try:
        found = json.loads(answer)
        why, version = found["why"], found["onnxruntime"]
    except (ValueError, KeyError, TypeError) as error:
        raise _NoVerdictError("it returned no result; run `edgecnn doctor`") from error
    if version != onnxruntime.__version__:
        raise _NoVerdictError(
            f"it used onnxruntime {version}, but this process uses {onnxruntime.__version__}; install one version and "
            "restart"
        )
    return None if why is None else str(why)


def _start(image: tuple[int, int]) -> subprocess.Popen[bytes]:
    from edgecnn.runtime.system.subprocess_python import start_python  # noqa: PLC0415  # a known model starts no process

    # Each would take address space
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        return start_python([*_CHILD, str(os.getpid()), *map(str, image)], one_thread, start_new_session=True)
    except OSError as error:
        raise _NoVerdictError(f"{sys.executable or 'python'} cannot be started: {error.strerror}") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child process and its own children."""
    if child.poll() is None:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def _by_signal(status: int) -> str:
    """Returns why the process died. Raises :class:`_NoVerdictError` if the model may not be the cause."""
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    if name == "SIGXCPU":
        return "it exceeds the limit of CPU time"
    if status > 0 or name in ("SIGKILL", "SIGTERM", "SIGALRM", "SIGINT", "SIGHUP"):
        raise _NoVerdictError(
            f"the process was ended by {name}, possibly for lack of memory; free memory and try again"
        )
    return f"it crashes onnxruntime ({name})"
