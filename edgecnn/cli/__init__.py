"""The command line: one thin file a command, each importing what it needs only when it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import Any

import typer

from edgecnn.errors import EdgeCNNError

__all__ = ["app", "main"]

DEBUG = "EDGECNN_DEBUG"


class _Commands(typer.core.TyperGroup):
    """Turns what a command raises into one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("interrupted; what was written so far is whole")
            raise typer.Exit(130) from None
        except EdgeCNNError as error:
            _fail(str(error), error.exit_status)
        except BrokenPipeError:
            _leave_quietly()
        except MemoryError:
            _fail("not enough memory; use a smaller --batch or smaller pictures", 2)
        except OSError as error:
            _fail(f"{error.filename or 'system'}: {error.strerror or error}; check the place and its permissions", 2)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # the last resort: a fault of the program, still told in one line
            if type(error).__module__.startswith("typer"):  # wrong usage: Typer has a box for it
                raise
            _fail(f"a fault of the program: {type(error).__name__}: {error}; {DEBUG}=1 shows where, please report it", 1)


app = typer.Typer(
    name="edgecnn",
    cls=_Commands,
    help="An image classifier from a folder of pictures to a decision on a device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs the program; the exit status is the contract's."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _interrupt)
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape" if stream is not sys.stderr else "backslashreplace")  # file names need not be UTF-8
    _register()
    app(prog_name="edgecnn")


def _register() -> None:
    from edgecnn.cli import adopt, benchmark, demo, doctor, explain, export, inspect, predict, quantize, train, val, verify

    for module in (train, val, explain, export, adopt, quantize, verify, predict, benchmark, inspect, doctor, demo):
        module.register(app)


def _stop(signum: int, _frame: object) -> None:
    """SIGTERM: as an exception, so that files half written are removed."""
    raise SystemExit(128 + signum)


_interrupted = threading.Event()


def _interrupt(_signum: int, _frame: object) -> None:
    """Ctrl-C: remembered too, since C++ code that calls back (torch's file writer) turns a KeyboardInterrupt into an error of its own."""
    _interrupted.set()
    raise KeyboardInterrupt


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(f"edgecnn: {' '.join(line.split())}", file=sys.stderr)


def _fail(line: str, status: int) -> None:
    """One line, however many the message had, and the traceback where it was asked for."""
    if _interrupted.is_set():
        _say("interrupted; what was written so far is whole")
        raise typer.Exit(130) from None
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exc()
    _say(f"error: {line}")
    raise typer.Exit(status) from None


def _leave_quietly() -> None:
    """The reader of our output has gone (as `head` does); Python would complain once more when it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(0) from None
