"""What has happened since the publisher looked last. Nothing here waits for the broker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided, Event, SwapChanged, ViewsChanged
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.mqtt.connection import Incoming
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.states import Standing, event_values
from edgecnn.serving.mqtt.topics import Topics

__all__ = ["Inbox"]

_MOST_CHANGES = 200  # that wait for the broker; the oldest go
_MOST_INCOMING = 100


class Inbox:
    """Hears the hub and the broker, and wakes the publisher.

    Args:
        topics: of the device.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._changes: deque[Message] = deque(maxlen=_MOST_CHANGES)
        self._incoming: deque[Incoming] = deque(maxlen=_MOST_INCOMING)
        self._stale: set[StateKey] = set()
        self._news, self._closed, self._discover = False, False, False
        self._waking = threading.Condition()

    def hear(self, event: Event) -> None:
        """Listener of the hub. Scores that change are no news: the publisher looks at them once a second."""
        if isinstance(event, Decided):
            key = StateKey(event.view, event.model)
            if event.changed or key in self._stale:
                self._stale.discard(key)
                values = event_values(event, now_rfc3339())
                self._put(Message.json(self._topics.event(key), values, retain=False))
            return
        if isinstance(event, SwapChanged | ViewsChanged):
            self._discover = True
        self.wake()

    def hear_broker(self, message: Incoming) -> None:
        """Takes a message from the broker."""
        self._incoming.append(message)
        self.wake()

    def went_stale(self, standing: Standing) -> None:
        """A state has become too old: that is a change, though no decision came. Only the first call counts."""
        if standing.key not in self._stale:
            self._stale.add(standing.key)
            self._put(Message.json(self._topics.event(standing.key), standing.values, retain=False))

    def put_back(self, changes: Iterable[Message]) -> None:
        """Keeps changes that were sent and not confirmed, for the next connection. Newer ones have precedence."""
        for change in reversed(list(changes)):
            if len(self._changes) < _MOST_CHANGES:
                self._changes.appendleft(change)

    def next_change(self) -> Message | None:
        """Takes the oldest change; None: there is none."""
        try:
            return self._changes.popleft()
        except IndexError:
            return None

    def next_incoming(self) -> Incoming | None:
        """Takes the oldest message from the broker; None: there is none."""
        try:
            return self._incoming.popleft()
        except IndexError:
            return None

    def take_discover(self) -> bool:
        """Whether the entities may be others than before."""
        if not self._discover:
            return False
        # Only where it was set: a change that comes between a look and a reset would be lost
        self._discover = False
        return True

    def wake(self) -> None:
        """Ends the publisher's waiting."""
        with self._waking:
            self._news = True
            self._waking.notify_all()

    def wait(self, seconds: float) -> None:
        """Waits for news, at most so long."""
        with self._waking:
            self._waking.wait_for(lambda: self._news or self._closed, seconds)
            self._news = False

    def pause(self, seconds: float) -> None:
        """Waits so long, whatever happens, but for the end."""
        with self._waking:
            self._waking.wait_for(lambda: self._closed, seconds)

    def close(self) -> None:
        """Asks the publisher to end."""
        with self._waking:
            self._closed = True
            self._waking.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the publisher shall end."""
        return self._closed

    def _put(self, change: Message) -> None:
        self._changes.append(change)
        self.wake()
