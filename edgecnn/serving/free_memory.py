"""Gives memory back to the system that the C library holds for later."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back_memory"]


def give_back_memory() -> None:
    """Returns what was freed, after models were opened or swapped: malloc_trim(3). Other C libraries have no such call.

    It takes a few milliseconds.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
