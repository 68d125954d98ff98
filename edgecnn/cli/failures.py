"""What a command raises, as one line on standard error and an exit status."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable

from edgecnn.errors import EdgeCNNError

__all__ = ["DEBUG", "exit_status", "interrupt"]

DEBUG = "EDGECNN_DEBUG"

_interrupted = threading.Event()


def interrupt(_signum: int, _frame: object) -> None:
    """Ctrl-C: remembered too, since C++ code that calls back (torch's file writer) turns a KeyboardInterrupt into an error of its own."""
    _interrupted.set()
    raise KeyboardInterrupt


def exit_status(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit status, or that of what it raised, having told of it."""
    try:
        return command()
    except KeyboardInterrupt:
        return _told("interrupted; what was written so far is whole", 130)
    except BrokenPipeError:
        return _left_quietly()
    except Exception as error:
        if type(error).__module__.startswith(("typer", "click")):  # wrong usage, for which Typer has a box, and its way to end
            raise
        return _failed(*_line_and_status(error))


def _line_and_status(error: Exception) -> tuple[str, int]:
    if isinstance(error, EdgeCNNError):
        return str(error), error.exit_status
    if isinstance(error, MemoryError):
        return "not enough memory; use a smaller --batch or smaller pictures", 2
    if isinstance(error, OSError):
        return f"{error.filename or 'system'}: {error.strerror or error}; check the place and its permissions", 2
    if isinstance(error, ImportError) and not (error.name or "edgecnn").startswith(("edgecnn", "exporters")):
        return f"{error.name} cannot be imported ({error}); `edgecnn doctor` says what to do", 2
    return f"a fault of the program: {type(error).__name__}: {error}; {DEBUG}=1 shows where, please report it", 1


def _told(line: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f"edgecnn: {' '.join(line.split())}", file=sys.stderr)
    return status


def _failed(line: str, status: int) -> int:
    """One line, however many the message had, and the traceback where it was asked for."""
    if _interrupted.is_set():
        return _told("interrupted; what was written so far is whole", 130)
    if os.environ.get(DEBUG, "") not in ("", "0"):
        import traceback

        traceback.print_exc()
    return _told(f"error: {line}", status)


def _left_quietly() -> int:
    """The reader of our output has gone (as `head` does); Python would complain once more when it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
