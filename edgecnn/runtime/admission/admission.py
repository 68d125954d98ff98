"""Lets a model file in, or refuses it, before this process opens it.

onnxruntime can be killed by a file, which no ``try`` catches, and kept busy for ever by another. A file that was never
seen is therefore parsed, held to rules and run once in a child process with limits on time and memory. The verdict is
kept by the hash of the bytes that were tried, so that a known model starts at full speed. docs/untrusted-models.md says
what this promises, and what not.
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
    """The probe came to no end that says anything of the model."""


def admit(model: ModelFile, image: tuple[int, int] | None = None, *, remedy: str = _REMEDY) -> None:
    """Returns where the model may be opened in this process.

    Args:
        model: the bytes that will be run.
        image: height and width to try it on, where the file leaves them open.
        remedy: what the error of a refused file advises.

    Raises:
        ModelError: it is refused, or could not be tried; the message says which.
    """
    verdict = recall(model.sha256)
    if verdict is None:
        try:
            verdict = Verdict(_probe(model.content, image or _IMAGE))
        except _NoVerdictError as error:
            raise ModelError(
                f"{model.path}: not opened, since trying it out in a process of its own failed: {error}"
            ) from error
        remember(model.sha256, verdict)
    if verdict.why is not None:
        raise ModelError(f"{model.path}: refused, since {verdict.why}; {remedy}")


def admit_own(model: ModelFile) -> None:
    """Remembers a file that this program has made, run and held against its original.

    It needs no probe where it was made.

    Raises:
        ModelError: it breaks a rule, so that devices would refuse it.
    """
    from edgecnn.runtime.admission.rules import RefusedError, check_structure  # noqa: PLC0415  # a known model is not parsed
    from edgecnn.runtime.onnx_file.proto import parse_model  # noqa: PLC0415

    try:
        check_structure(parse_model(model.content, model.path), len(model.content))
    except RefusedError as error:
        raise ModelError(f"{model.path}: the runner would refuse it, since {error}") from error
    remember(model.sha256, Verdict(None))


def _probe(content: bytes, image: tuple[int, int]) -> str | None:
    """Why the model is refused, from a child process; None: it is not. Raises :class:`_NoVerdictError`."""
    import subprocess  # noqa: PLC0415  # a known model starts no process

    child = _start(image)
    try:
        answer, _ = child.communicate(content, _SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _NoVerdictError(
            f"it did not end in {_SECONDS:g} s of waiting; try again when the machine is less busy"
        ) from error
    finally:
        _end(child)
    if child.returncode != 0:
        return _by_signal(child.returncode)
    try:
        found = json.loads(answer)
        why, version = found["why"], found["onnxruntime"]
    except (ValueError, KeyError, TypeError) as error:
        raise _NoVerdictError("it gave no answer; run `edgecnn doctor`") from error
    if version != onnxruntime.__version__:
        raise _NoVerdictError(
            f"it ran onnxruntime {version}, this process {onnxruntime.__version__}; start again with one version "
            "installed"
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
    """With all that it may have started."""
    if child.poll() is None:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def _by_signal(status: int) -> str:
    """What the model did to the process. Raises :class:`_NoVerdictError` where that may have been another's doing."""
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    if name == "SIGXCPU":
        return "it computes without an end in sight"
    if status > 0 or name in ("SIGKILL", "SIGTERM", "SIGALRM", "SIGINT", "SIGHUP"):
        raise _NoVerdictError(f"the process ended by {name}; there may be too little memory, try again")
    return f"it crashes onnxruntime ({name})"
