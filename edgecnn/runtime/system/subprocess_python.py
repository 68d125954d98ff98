"""Starts a child process with this Python interpreter and its packages."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn.runtime.system.python_interpreter import find_python

__all__ = ["start_python"]


def start_python(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Runs ``python`` with the arguments, its standard input and output piped, its standard error discarded.

    Args:
        arguments: arguments of the interpreter, for example ``-m`` and a module of EdgeCNN.
        environment: variables added to the environment of this process.
        options: options of :class:`subprocess.Popen`.

    Raises:
        NoInterpreterError: this program is not a Python interpreter, and none was found.
        OSError: no process can be started.
    """
    python = find_python()
    return subprocess.Popen(  # noqa: S603  # our own interpreter and modules
        [*python.command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=python.folder,
        env={**python.environment, **(environment or {})},
        **options,
    )
