"""Starts this interpreter once more, with this process's packages."""

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

    It starts in the packages' folder: Python looks for modules where it starts, and the user's folder may hold
    anything.

    Args:
        arguments: of the interpreter, as ``-m`` and one of our own modules.
        environment: added to this process's.
        options: of :class:`subprocess.Popen`.

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
