"""The pipes between a child process and the process that started it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["end_with_parent", "own_standard_output"]


def own_standard_output() -> TextIO:
    """Returns the pipe to the parent, a line at a time, under a descriptor that no library writes to.

    What libraries print is discarded: the parent would take it for a message, and it may hold the address of a camera.
    """
    messages = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    return messages


def end_with_parent() -> None:
    """Body of a thread: ends this process at once when its standard input is closed."""
    while sys.stdin.buffer.read(2**10):
        pass
    os._exit(0)
