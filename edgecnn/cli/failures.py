"""What a command raises, as one line on standard error and an exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from edgecnn.error_text import one_line
from edgecnn.errors import EdgeCNNError, Stopped

__all__ = ["DEBUG", "end_at_once", "exit_status", "interrupt"]

DEBUG = "EDGECNN_DEBUG"
_BY_SIGNAL = 128  # the shells' exit code for an end by a signal

_signals: list[int] = []  # signals that asked the program to end, in order


def interrupt(signum: int, _frame: object) -> None:
    """Ctrl-C and SIGTERM, as an exception, so that files half written are removed.

    Remembered too: code that is interrupted may raise an error of its own instead, as torch's file writer and the locks
    of ``threading`` do.
    """
    _signals.append(signum)
    raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(_BY_SIGNAL + signum)


def end_at_once(signum: int, _frame: object) -> None:
    """Ctrl-C and SIGTERM while a service is imported, before it has begun with anything.

    A stop is no failure for a service manager, so SIGTERM gives 0. An exception could be turned into another one by the
    import that it interrupts.
    """
    os._exit(_BY_SIGNAL + signum if signum == signal.SIGINT else 0)


def exit_status(command: Callable[[], int]) -> int:
    """Runs a command and returns its exit status; prints what it raised as one line."""
    try:
        return command()
    except KeyboardInterrupt as stop:
        return _interrupted(str(stop))
    except Stopped as stop:
        _report(f"stopped; {stop.how_to_continue}", 0)
        raise
    except BrokenPipeError:
        return _left_quietly()
    except Exception as error:
        if type(error).__module__.startswith(
            ("typer", "click")
        ):  # wrong usage, which Typer prints in a box, and Typer's own way to exit
            raise
        return _failed(*_line_and_status(error))


def _line_and_status(error: Exception) -> tuple[str, int]:
    if isinstance(error, EdgeCNNError):
        return str(error), error.exit_status
    if isinstance(error, MemoryError):
        return "not enough memory; use a smaller --batch or smaller images", 2
    if isinstance(error, OSError):
        return f"{error.filename or 'system'}: {error.strerror or error}; check the place and its permissions", 2
    if isinstance(error, ImportError) and not (error.name or "edgecnn").startswith(("edgecnn", "exporters")):
        return f"{error.name} cannot be imported ({error}); `edgecnn doctor` says what to do", 2
    return f"internal error: {type(error).__name__}: {error}; {DEBUG}=1 shows the traceback, please report it", 1


def _interrupted(how_to_continue: str = "") -> int:
    signum = _signals[-1] if _signals else signal.SIGINT
    if signum != signal.SIGINT:  # sent by a service manager, which expects no message
        return _BY_SIGNAL + signum
    return _report(f"interrupted; {how_to_continue or 'all files written so far are complete'}", _BY_SIGNAL + signum)


def _report(line: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f"edgecnn: {one_line(line)}", file=sys.stderr)
    return status


def _failed(line: str, status: int) -> int:
    """One line, however many the message had, and the traceback where it was asked for."""
    if _signals:
        return _interrupted()
    if os.environ.get(DEBUG, "") not in ("", "0"):
        import traceback

        traceback.print_exc()
    return _report(f"error: {line}", status)


def _left_quietly() -> int:
    """The reader of our output has gone (as `head` does).

    Python would complain once more when it closes standard output.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
