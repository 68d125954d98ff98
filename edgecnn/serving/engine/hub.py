"""Hands events from the threads that decide to those who listen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

from edgecnn.serving.engine.events import Event

__all__ = ["Hub", "Listener"]

log = logging.getLogger("edgecnn")

Listener: TypeAlias = "Callable[[Event], None]"


class Hub:
    """Calls every listener with every event, in the thread that publishes it.

    A listener returns at once: what takes time goes into a bounded queue, for another thread. One that raises is
    reported once and goes on being called.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()  # replaced as a whole, so that publishing needs no lock
        self._changing = threading.Lock()
        self._failed: set[Listener] = set()

    def publish(self, event: Event) -> None:
        """Calls the listeners."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # a fault of one listener must not reach the others
                if listener not in self._failed:
                    self._failed.add(listener)
                    log.exception("a listener of the service failed; its next failures are not reported")

    def subscribe(self, listener: Listener) -> None:
        """Adds a listener."""
        with self._changing:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Removes a listener."""
        with self._changing:
            self._listeners = tuple(known for known in self._listeners if known != listener)
