"""Brings events from the deciding threads into the event loop, and to every client that listens."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass

from edgecnn.plain_json import as_json
from edgecnn.serving.engine.events import Decided, DriftChanged, Event, SourceChanged, SwapChanged, ViewsChanged
from edgecnn.serving.engine.hub import Hub

__all__ = ["Broadcast", "Listening", "event_record"]

_KINDS = {DriftChanged: "drift", SourceChanged: "source", SwapChanged: "swap", ViewsChanged: "views"}
_WAITING = 1000  # events between two turns of the loop
_PER_CLIENT = 100  # events that a slow client is behind before it loses the oldest


@dataclass(frozen=True)
class _Record:
    """An event as the clients get it: encoded once for all."""

    kind: str  # decision, drift, source, swap, views
    text: str  # JSON


def event_record(event: Event) -> tuple[str, dict[str, object]]:
    """The kind of an event, and its values as JSON has them."""
    if isinstance(event, Decided):
        return "decision", {
            "view": event.view,
            "source": event.source,
            "region": event.region,
            "model": event.model,
            "number": event.number,
            "changed": event.changed,
            "prediction": as_json(event.prediction),
        }
    return _KINDS[type(event)], as_json(event)


class Listening:
    """The events of one client, a bounded number of them."""

    def __init__(self) -> None:
        self._records: deque[_Record] = deque(maxlen=_PER_CLIENT)
        self._ready = asyncio.Event()

    def put(self, record: _Record) -> None:
        """Adds an event; the oldest one goes where the client is too slow."""
        self._records.append(record)
        self._ready.set()

    async def take(self, timeout_s: float) -> list[tuple[str, str]]:
        """Waits for events and returns their kinds and JSON texts; empty: none came in time."""
        if not self._records:
            try:
                await asyncio.wait_for(self._ready.wait(), timeout_s)
            except asyncio.TimeoutError:
                return []
        self._ready.clear()
        taken = [(record.kind, record.text) for record in self._records]
        self._records.clear()
        return taken


class Broadcast:
    """Listens to the hub. Its public methods but :meth:`close` belong to the event loop's thread.

    Args:
        hub: publishes the events.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._events: deque[Event] = deque(maxlen=_WAITING)  # where it is full, the oldest goes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending = False
        self._clients: set[Listening] = set()
        self._awaited: dict[str, set[asyncio.Future[None]]] = {}
        self.closed = False
        """Whether the service stops: clients shall be let go."""

    def open(self) -> None:
        """Begins to listen, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._hub.subscribe(self._hear)

    def close(self) -> None:
        """Lets all clients go. Any thread may call it."""
        self.closed = True
        self._hub.unsubscribe(self._hear)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._release)

    def add(self) -> Listening:
        """A new client."""
        client = Listening()
        self._clients.add(client)
        return client

    def remove(self, client: Listening) -> None:
        """The client has gone."""
        self._clients.discard(client)

    async def next_frame(self, source: str, timeout_s: float) -> None:
        """Waits for the next frame of a source, or until the time is over."""
        assert self._loop is not None
        future: asyncio.Future[None] = self._loop.create_future()
        waiting = self._awaited.setdefault(source, set())
        waiting.add(future)
        try:
            await asyncio.wait_for(future, timeout_s)
        except asyncio.TimeoutError:
            pass
        finally:
            waiting.discard(future)

    def _hear(self, event: Event) -> None:
        # Frames would stay in memory as long as the loop is busy
        self._events.append(event.without_frame() if isinstance(event, Decided) else event)
        self._wake()

    def _wake(self) -> None:
        """Has the loop look at the events. Many in a row cost one turn."""
        if not self._pending and self._loop is not None and not self.closed:
            self._pending = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._pending = False  # first: an event that comes from now on asks for another turn
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Decided) and not event.away:
                self._arrived(event.source)
            if self._clients:
                kind, values = event_record(event)
                record = _Record(kind, json.dumps(values))
                for client in self._clients:
                    client.put(record)

    def _arrived(self, source: str) -> None:
        for future in self._awaited.pop(source, ()):
            if not future.done():
                future.set_result(None)

    def _release(self) -> None:
        for source in tuple(self._awaited):
            self._arrived(source)
        for client in self._clients:
            client.put(_Record("end", "{}"))
