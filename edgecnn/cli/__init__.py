"""The command line."""

from __future__ import annotations

import gc
import os
import signal
import sys

from edgecnn.cli.failures import end_at_once, interrupt

__all__ = ["main"]


def main() -> None:
    """Runs the program; the exit status is the contract's."""
    command = sys.argv[1] if len(sys.argv) > 1 else None
    for signum in (signal.SIGTERM, signal.SIGINT):
        # A service takes the signals over once it is imported
        signal.signal(signum, end_at_once if command == "serve" else interrupt)
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # File names need not be UTF-8
            stream.reconfigure(errors="surrogateescape" if stream is not sys.stderr else "backslashreplace")
    if command in {"predict", "serve"}:
        # This process multiplies no matrices; starting NumPy's threads takes an eighth of the start-up time
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if command == "predict":
        # Until the model is open: objects made by imports live on, and collecting them again and again takes a
        # twentieth of the start-up time
        gc.disable()
        from edgecnn.runtime.admission.early_start import start_early

        start_early(sys.argv[2:])
        from edgecnn.cli.quick.predict import predict_quickly

        predict_quickly(sys.argv[2:])
    if command == "serve":
        from edgecnn.cli.quick.serve import serve_quickly

        serve_quickly(sys.argv[2:])
    from edgecnn.cli.app import run

    run()
