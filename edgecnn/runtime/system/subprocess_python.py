"""Starts a child process with this Python interpreter and its packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["start_python"]

_PACKAGES = Path(__file__).parents[3]  # the folder that holds edgecnn


def start_python(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Runs ``python`` with the arguments, its standard input and output piped, its standard error discarded.

    Its working directory is the packages' folder: Python searches modules in the working directory, and the user's may
    contain anything.

    Args:
        arguments: arguments of the interpreter, for example ``-m`` and a module of EdgeCNN.
        environment: variables added to the environment of this process.
        options: options of :class:`subprocess.Popen`.

    Raises:
        OSError: no process can be started.
    """
    return subprocess.Popen(  # noqa: S603  # our own interpreter and modules
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_PACKAGES,
        env={**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        **options,
    )
