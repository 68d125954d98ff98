"""``edgecnn predict`` without Typer, whose imports take a third as long again as OpenCV's and onnxruntime's together
(docs/benchmarks.md).

A device may start it for every image. What is not plain here (a wrong option, ``--help``) is left to Typer, so that its
answers are the same; tests/cli/test_quick_predict.py holds that both read the same options alike.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edgecnn.cli.failures import exit_status
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.cli.prediction import predict

__all__ = ["predict_quickly", "read_predict"]


def predict_quickly(arguments: Sequence[str]) -> None:
    """Ends the program with the prediction's status; returns where Typer must read the options.

    It ends at once: all is closed and told, and to take Python and onnxruntime down in order would cost a sixth of a
    short run.
    """
    options = read_predict(arguments)
    if options is None:
        return
    status = exit_status(lambda: predict(options))
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk was reported when the line was written
            stream.flush()
    os._exit(status)


def read_predict(arguments: Sequence[str]) -> PredictOptions | None:
    """The options of ``predict`` (the words after it); None where Typer must read them."""
    if len(arguments) > 1 and not any(word.startswith("-") for word in arguments):
        return PredictOptions(model=Path(arguments[0]), sources=tuple(arguments[1:]))
    from edgecnn.cli.quick.parser import NotPlainError, parse_quickly

    try:
        return parse_quickly(PredictOptions, arguments)
    except NotPlainError:
        return None
