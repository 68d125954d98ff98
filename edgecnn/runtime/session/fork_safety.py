"""onnxruntime's sessions in a process that was forked.

``fork`` copies a session without its threads. Whoever runs it in the child works with half of it; whoever frees it, if
only as Python ends, waits for threads that are not there, or crashes. So the child never frees the sessions it was born
with, and opens its own (:class:`edgecnn.runtime.session.model_session.ModelSession`).
"""

from __future__ import annotations

import atexit
import os
import threading
from weakref import WeakSet

import onnxruntime

__all__ = ["keep_in_children", "keep_inherited", "reopening"]

_open: WeakSet[onnxruntime.InferenceSession] = WeakSet()


class _Reopening:
    """The lock of whoever opens sessions anew; a child's is its own, since the parent's may be held at the fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = os.getpid()


reopening = _Reopening()


def keep_in_children(session: onnxruntime.InferenceSession) -> onnxruntime.InferenceSession:
    """Marks a session as one that a forked child must not free; returns it."""
    _open.add(session)
    return session


def keep_inherited() -> None:
    """In a forked child, keeps the parent's sessions for ever. To be called before one of them may be freed.

    ``os.fork`` calls it in the child. uWSGI forks in C and runs no hooks of Python by default, so it is also called at
    the first use in another process, and before Python ends.
    """
    if reopening.process == os.getpid():
        return
    reopening.lock = threading.Lock()
    reopening.process = os.getpid()
    inherited = list(_open)
    if not inherited:
        return
    import ctypes  # noqa: PLC0415  # only who forks needs it

    for session in inherited:  # a reference more than there are holders: never freed, not even as Python ends
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=keep_inherited)
    atexit.register(keep_inherited)
