"""A thread that does one thing after the other, for threads that may not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Worker"]

log = logging.getLogger("edgecnn")


class Worker:
    """Runs calls in their order. One that raises is reported, and the next one runs."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="edgecnn-swaps", daemon=True)

    def start(self) -> None:
        """Begins with the calls that wait already."""
        self._thread.start()

    def do(self, call: Callable[[], object]) -> None:
        """Adds a call. Returns at once."""
        self._calls.put(call)

    def stop(self, timeout_s: float) -> None:
        """Ends after the calls that wait, or when the time is over."""
        self._calls.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:  # the next call is about another swap
                log.exception("an unexpected error in a model swap; the serving model goes on")
