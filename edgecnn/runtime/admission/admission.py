"""Admits or refuses a model file before this process opens it.

A model file can crash onnxruntime, which no ``try`` catches, or keep it busy forever. A new file is
therefore parsed, checked against rules and run once in a child process with time and memory limits. The verdict is
cached by the SHA-256 of the file, so that a known model opens without delay. docs/untrusted-models.md describes what
this guarantees and what it does not.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Literal, get_args

import onnxruntime

from edgecnn.error_text import shortened
from edgecnn.errors import ModelError, UsageError
from edgecnn.runtime.admission.early_start import CHILD, IMAGE, child_arguments, start_child, unneeded
from edgecnn.runtime.admission.verdict_cache import Verdict, recall, remember
from edgecnn.runtime.session.model_file import ModelFile

if TYPE_CHECKING:
    import subprocess

    from edgecnn.runtime.admission.conversation import TooLateError

__all__ = ["MORE_TIME", "REMEDY", "Admission", "admit", "admit_own", "check_admission"]

log = logging.getLogger("edgecnn")

REMEDY = "give a .onnx file that `edgecnn export` wrote"
MORE_TIME = "give it more with --admission-seconds N"
_MOST_SECONDS = 86_400
_LONGEST_REASON = 400  # characters: the child cuts its reasons shorter

Admission = Literal["probe", "rules"]


class _NoVerdictError(Exception):
    """The probe failed for a reason that says nothing about the model."""


class _TooSlowError(Exception):
    """The probe took more time than the model should need here, which may be the machine's fault."""


def admit(
    model: ModelFile,
    image: tuple[int, int] | None = None,
    *,
    seconds: float | None = None,
    how: Admission = "probe",
    remedy: str = REMEDY,
) -> None:
    """Checks that the model may be opened in this process.

    Args:
        model: the file, as it will be run.
        image: height and width of the test image, in pixels, if the file does not fix them.
        seconds: CPU time of the probe in seconds. None: set by the model's work and this machine's speed.
        how: ``probe``: try it out in a child process; ``rules``: check only its structure, in this process.
        remedy: what the error of a refused file advises.

    Raises:
        ModelError: the model is refused, or the check failed. The message says which.
    """
    verdict = recall(model.sha256)
    if verdict is None:
        try:
            verdict = _by_rules(model) if how == "rules" else Verdict(_probe(model.content, image or IMAGE, seconds))
        except _NoVerdictError as error:
            raise ModelError(
                f"{model.path}: not opened because the safety check in a child process failed: {error}"
            ) from error
        except _TooSlowError as error:
            raise ModelError(f"{model.path}: refused because {error}; {remedy}, or {MORE_TIME}") from error
        if how == "probe":  # the rules alone do not show that it runs
            remember(model.sha256, verdict)
    unneeded()
    if verdict.why is not None:
        raise ModelError(f"{model.path}: refused because {verdict.why}; {remedy}")


def check_admission(seconds: float | None, how: Admission = "probe") -> None:
    """Raises :class:`UsageError` for values that :func:`admit` cannot use."""
    if seconds is not None and not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"admission_seconds is {seconds:g}, expected more than 0 and at most {_MOST_SECONDS:,}")
    if how not in get_args(Admission):
        raise UsageError(f"admission is '{how}', expected {' or '.join(get_args(Admission))}")


def admit_own(model: ModelFile) -> None:
    """Caches a positive verdict for a file that this program made, ran and compared with its original.

    Such a file needs no trial run on this machine.

    Raises:
        ModelError: the file violates a rule, so devices would refuse it.
    """
    if (why := _by_rules(model).why) is not None:
        raise ModelError(f"{model.path}: devices would refuse it because {why}")
    remember(model.sha256, Verdict(None))


def _by_rules(model: ModelFile) -> Verdict:
    # Not at the top: a known model is not parsed
    from edgecnn.runtime.admission.rules import RefusedError, check_structure  # noqa: PLC0415
    from edgecnn.runtime.onnx_file.proto import parse_model  # noqa: PLC0415

    try:
        check_structure(parse_model(model.content, model.path), len(model.content))
    except RefusedError as error:
        return Verdict(str(error))
    return Verdict(None)


def _probe(content: bytes, image: tuple[int, int], seconds: float | None) -> str | None:
    """Runs the probe in a child process. Returns why the model is refused, or None.

    Raises:
        _NoVerdictError: the probe failed for another reason than the model.
        _TooSlowError: it exceeded its CPU time.
    """
    # Not at the top: a known model starts no process
    from edgecnn.runtime.admission.conversation import TooLateError, converse  # noqa: PLC0415
    from edgecnn.runtime.admission.time_limit import LONGEST_S, START_S  # noqa: PLC0415

    child = _start(image, seconds)
    try:
        outcome = converse(child, content, max(START_S, seconds or 0.0), seconds or LONGEST_S)
    except TooLateError as error:
        raise _too_late(error) from error
    finally:
        _end(child)
    if outcome.status != 0:
        return _by_signal(outcome.status, outcome.limit_s)
    found = outcome.answer or {}
    why, version = found.get("why", 0), found.get("onnxruntime")
    if not isinstance(why, str | None) or not isinstance(version, str):
        raise _NoVerdictError("it returned no result; run `edgecnn doctor`")
    if version != onnxruntime.__version__:
        raise _NoVerdictError(
            f"it used onnxruntime {shortened(version)}, but this process uses {onnxruntime.__version__}; install one "
            "version and restart"
        )
    return why if why is None else shortened(why, _LONGEST_REASON)


def _start(image: tuple[int, int], seconds: float | None) -> subprocess.Popen[bytes]:
    # Not at the top: a known model starts no process
    from edgecnn.runtime.system.python_interpreter import NoInterpreterError  # noqa: PLC0415

    try:
        return start_child(child_arguments(CHILD, image, seconds))
    except NoInterpreterError as error:
        raise _NoVerdictError(
            f"{error.strerror}; or open a model that you trust with RunOptions(admission='rules')"
        ) from error
    except OSError as error:
        raise _NoVerdictError(f"{sys.executable or 'python'} cannot be started: {error.strerror}") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child process and its own children."""
    if child.poll() is None:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _too_late(error: TooLateError) -> _NoVerdictError:
    if error.limit_s is None:
        return _NoVerdictError(
            f"Python and onnxruntime were not imported within {error.waited_s:.0f} s; {MORE_TIME}, or try again when "
            "the machine is less busy"
        )
    return _NoVerdictError(
        f"it did not finish within {error.waited_s:.0f} s, and got less than {error.limit_s:.0f} s of CPU time; "
        f"{MORE_TIME}, or try again when the machine is less busy"
    )


def _by_signal(status: int, limit_s: float | None) -> str:
    """Returns why the process died.

    Raises:
        _NoVerdictError: the model may not be the cause.
        _TooSlowError: it exceeded its CPU time.
    """
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"status {status}"
    if name == "SIGXCPU":
        limit = "the limit of CPU time" if limit_s is None else f"{limit_s:.0f} s of CPU time"
        raise _TooSlowError(f"it exceeds {limit}, more than a model of its size should need on this machine")
    if status > 0:
        raise _NoVerdictError(f"Python ended with {name}; run `edgecnn doctor`")
    if name in ("SIGKILL", "SIGTERM", "SIGALRM", "SIGINT", "SIGHUP"):
        raise _NoVerdictError(
            f"the process was ended by {name}, possibly for lack of memory; free memory and try again"
        )
    return f"it crashes onnxruntime ({name})"
