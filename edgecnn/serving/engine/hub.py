"""Hands events from the threads that decide to those who listen. No listener can hold a decision up."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from edgecnn.serving.engine.events import Event

__all__ = ["EventQueue", "Hub", "Listener"]

log = logging.getLogger("edgecnn")

Listener: TypeAlias = "Callable[[Event], None]"


class Hub:
    """Calls every listener with every event, in the thread that publishes it.

    A listener returns at once: what takes time waits in an :class:`EventQueue`. One that raises is reported once and
    goes on being called.
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

    @contextmanager
    def queue(self, most: int) -> Iterator[EventQueue]:
        """A queue that hears every event while the block runs."""
        queue = EventQueue(most)
        self.subscribe(queue.put)
        try:
            yield queue
        finally:
            self.unsubscribe(queue.put)
            queue.close()


class EventQueue:
    """A bounded queue for one reader. Where it is full, its oldest event goes.

    Args:
        most: number of events that it holds.
        wake: called after each event, for a reader that waits elsewhere.
    """

    def __init__(self, most: int, wake: Callable[[], None] | None = None) -> None:
        self._events: deque[Event] = deque(maxlen=most)
        self._ready = threading.Condition()
        self._wake = wake
        self._closed = False
        self.dropped = 0
        """Events that went because the reader was too slow."""

    def put(self, event: Event) -> None:
        """Adds an event."""
        with self._ready:
            self.dropped += len(self._events) == self._events.maxlen
            self._events.append(event)
            self._ready.notify()
        if self._wake is not None:
            self._wake()

    def get(self, timeout_s: float | None = None) -> Event | None:
        """Returns the oldest event; None: none came in time, or the queue is closed."""
        with self._ready:
            self._ready.wait_for(lambda: bool(self._events) or self._closed, timeout_s)
            return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Ends the reader's waiting."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed and not self._events
