"""Two folders change places at one moment, so that a kill or a power cut finds the one or the other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["exchange"]

_HERE = -100  # AT_FDCWD: relative paths begin at the working folder
_EXCHANGE = 2  # RENAME_EXCHANGE


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders of one file system: renameat2(2) of Linux.

    Returns:
        False where the system, its C library or the file system cannot; then both are as they were.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes  # noqa: PLC0415  # a bundle is written now and then

    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # glibc has it since 2.28
    if rename is None:
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
