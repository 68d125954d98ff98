"""A bell that threads ring and one waits for."""

from __future__ import annotations

import queue
from contextlib import suppress

__all__ = ["News"]


class News:
    """Rung often before it is heard, it is heard once.

    A :class:`threading.Condition` would do, were it not for signals: an exception out of a handler (Ctrl-C, SIGTERM) can leave its lock held, or let
    go of twice. :class:`queue.SimpleQueue` is one step of C, which no handler parts.
    """

    def __init__(self) -> None:
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """Wakes the one who waits; say first what there is to be seen."""
        if self._bell.empty():
            self._bell.put(None)

    def wait(self, timeout_s: float) -> None:
        """Until it rings, or has rung since the last time; look then whether there is anything: it may have been seen before."""
        with suppress(queue.Empty):
            self._bell.get(timeout=timeout_s)
