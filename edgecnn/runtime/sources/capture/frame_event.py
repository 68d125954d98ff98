"""An event that several threads set and one waits for."""

from __future__ import annotations

import queue
from contextlib import suppress

__all__ = ["FrameEvent"]


class FrameEvent:
    """An event. If it is set several times before the wait, it wakes the waiter once.

    It is not a :class:`threading.Condition`, because an exception of a signal handler (Ctrl-C, SIGTERM) can leave its
    lock held or released twice. A handler cannot interrupt an operation of :class:`queue.SimpleQueue`.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()

    def notify(self) -> None:
        """Wakes the waiter. Store the new data before this call."""
        if self._queue.empty():
            self._queue.put(None)

    def wait(self, timeout_s: float) -> None:
        """Waits until the event is set, or returns at once if it was set since the last wait.

        The caller must check for new data, which it may have seen already.
        """
        with suppress(queue.Empty):
            self._queue.get(timeout=timeout_s)
