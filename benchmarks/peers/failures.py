"""A peer that does not work here is a row that says why, not the end of the comparison."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PeerError", "last_line", "run"]

_PATH = re.compile(r"(/[\w.+@-]+)+/")


class PeerError(Exception):
    """Why a peer cannot be measured: the last line that its program wrote."""


def run(*command: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 3600) -> str:
    """The output of a program. Raises :class:`PeerError`."""
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if done.returncode != 0:
        raise PeerError(last_line(done.stderr or done.stdout, done.returncode))
    return done.stdout


def last_line(text: str, status: int) -> str:
    """Without folders: they are this machine's."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = lines[-1] if lines else "nothing was printed"
    ended = f" (killed by signal {-status})" if status < 0 else ""
    return _PATH.sub("", told)[:300] + ended
