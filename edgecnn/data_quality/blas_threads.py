"""How many threads numpy's matrix products take."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

from numpy.linalg import _umath_linalg

__all__ = ["one_blas_thread"]

_NAMES = ("scipy_openblas_{}64_", "openblas_{}64_", "openblas_{}")  # as numpy's wheels and distributions build OpenBLAS


class _Control(NamedTuple):
    get: ctypes._NamedFuncPointer
    set: ctypes._NamedFuncPointer


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within, each product of matrices is computed by the thread that asks for it.

    OpenBLAS's own threads wait for the next product by spinning. Where products are small and work of another kind
    lies between them, that costs more than they compute: 3.5 s of processor time in place of 1.3 for the comparison of
    1,399 images on two cores. Threads above the products share such work without it. With another BLAS nothing
    changes.
    """
    control = _control()
    before = control.get() if control else 0
    if control:
        control.set(1)
    try:
        yield
    finally:
        if control:
            control.set(before)


@lru_cache
def _control() -> _Control | None:
    try:
        library = ctypes.CDLL(_umath_linalg.__file__)  # a symbol is also looked for in the libraries it needs
    except (AttributeError, OSError, TypeError):
        return None
    for name in _NAMES:
        try:
            found = _Control(library[name.format("get_num_threads")], library[name.format("set_num_threads")])
        except AttributeError:
            continue
        found.get.restype, found.set.restype, found.set.argtypes = ctypes.c_int, None, [ctypes.c_int]
        return found
    return None
