"""An event that several threads set and one waits for."""

from __future__ import annotations

import queue
from contextlib import suppress

__all__ = ["FrameEvent"]


class FrameEvent:
    """Set several times before the waiter looks, it wakes the waiter once.

    A :class:`threading.Condition` would do, were it not for signals: an exception out of a handler (Ctrl-C, SIGTERM)
    can leave its lock held, or let go of twice. :class:`queue.SimpleQueue` is one step of C, which no handler parts.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()

    def notify(self) -> None:
        """Wakes the one who waits; say first what there is to be seen."""
        if self._queue.empty():
            self._queue.put(None)

    def wait(self, timeout_s: float) -> None:
        """Returns when it is set, or was set since the last wait.

        Then check for news, which may have been seen already.
        """
        with suppress(queue.Empty):
            self._queue.get(timeout=timeout_s)
