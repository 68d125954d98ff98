"""Keeps memory that training steps free and allocate again in the process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["kept_memory"]

# <malloc.h> of glibc, and its defaults as mallopt(3) gives them
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024, _MMAP_MAX: 65536}
_NEVER, _STEP_BYTES = 2**31 - 1, 64 * 1024 * 1024


@contextmanager
def kept_memory() -> Iterator[None]:
    """Makes glibc keep freed memory and allocate in large steps inside the block; releases the memory at its end.

    By default every block above 32 MiB, as activations are, is mapped anew each time it is allocated, and the kernel
    clears it page by page: a sixth of a training step and more on a CPU. Elsewhere than on glibc, and where the
    environment sets ``MALLOC_MMAP_MAX_`` itself, nothing changes.
    """
    set_option = None if "MALLOC_MMAP_MAX_" in os.environ else _function("mallopt")
    if set_option is None:
        yield
        return
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP_BYTES)):
        set_option(option, value)
    try:
        yield
    finally:
        for option, value in _DEFAULTS.items():
            set_option(option, value)
        trim = _function("malloc_trim")
        if trim:
            trim(0)


def _function(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)  # None: what the process has loaded
    except (OSError, TypeError):  # Windows
        return None
    return found
