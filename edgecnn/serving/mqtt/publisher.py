"""The thread that keeps the broker's view of the device true, over outages of the broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.service import Service
from edgecnn.serving.mqtt.announcement import Announcement
from edgecnn.serving.mqtt.broker import Broker
from edgecnn.serving.mqtt.connection import Connection, Incoming
from edgecnn.serving.mqtt.inbox import Inbox
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.pacing import Content, Pacing
from edgecnn.serving.mqtt.states import Standing, Standings
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.mqtt.updates import Updates
from edgecnn.serving.outage_log import OutageLog
from edgecnn.serving.retry_wait import retry_wait_s

__all__ = ["Publisher"]

log = logging.getLogger("edgecnn")

_LONGEST_WAIT_S = 30.0  # between two attempts to connect
_TICK_S = 0.5  # between two looks for states that have become too old
_FAREWELL_S = 0.4  # for the broker to confirm the last messages


class Publisher:
    """Connects, says what stands, and connects again when the connection ends.

    Args:
        service: the service.
        broker: the broker.
        topics: of the device.
        discovery: whether Home Assistant is told.
        updates: the swaps; None: models cannot be accepted over MQTT.
    """

    def __init__(
        self, service: Service, broker: Broker, topics: Topics, *, discovery: bool, updates: Updates | None
    ) -> None:
        self._service = service
        self._broker = broker
        self._topics = topics
        self._standings = Standings(service)
        self._inbox = Inbox(topics)
        self._announcement = Announcement(service, topics, self._standings, updates) if discovery else None
        max_age_s = service.settings.max_state_age_s
        # Twice in the time after which a listener takes a state for outdated: a late message does no harm
        self._pacing = Pacing(max_age_s / 2)
        self._tick_s = min(_TICK_S, max_age_s / 4)
        self._outages = OutageLog(f"MQTT broker {broker.name}")
        self._thread = threading.Thread(target=self._run, name="edgecnn-mqtt", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._service.hub.subscribe(self._inbox.hear)
        self._thread.start()

    def stop(self) -> None:
        """Says that the device is offline, and ends."""
        self._service.hub.unsubscribe(self._inbox.hear)
        self._inbox.close()
        self._thread.join(2 * _FAREWELL_S + 0.1)

    def _run(self) -> None:
        """Body of the thread."""
        failed = 0
        while not self._inbox.closed:
            will = Message(self._topics.status, b"offline", retain=True)
            connection = Connection(
                self._broker, self._topics.device_id, will, self._inbox.hear_broker, self._inbox.wake
            )
            try:
                connection.open(self._subscriptions())
                self._outages.recovered()
                failed = 0
                self._keep_up(connection)
            except EdgeCNNError as error:
                self._outages.failed(str(error))
            except Exception as error:  # unattended: whatever it is, the next connection may work
                log.exception("mqtt: an unexpected error; connecting again")
                self._outages.failed(f"unexpected error: {type(error).__name__}")
            self._after(connection)
            self._inbox.pause(retry_wait_s(failed, _LONGEST_WAIT_S))
            failed += 1

    def _after(self, connection: Connection) -> None:
        """Takes leave, or keeps what the broker has not confirmed."""
        if self._inbox.closed and connection.up:
            self._farewell(connection)
            return
        connection.close(0)
        self._inbox.put_back(m for m in connection.unconfirmed() if not m.retain)

    def _subscriptions(self) -> list[str]:
        topics = [self._topics.status, *self._topics.all_states]
        if self._announcement is not None:
            topics += [self._topics.home_assistant, *self._announcement.commands()]
        return topics

    def _keep_up(self, connection: Connection) -> None:
        """Says what stands until the connection ends."""
        self._pacing.forget()
        self._go_online(connection)
        self._announce(connection)
        while connection.up and not self._inbox.closed:
            while (incoming := self._inbox.next_incoming()) is not None:
                self._obey(connection, incoming)
            if self._inbox.take_discover():
                self._announce(connection)
            if connection.has_room:
                self._say_what_stands(connection)
                self._say_changes(connection)
            self._inbox.wait(self._tick_s)
        if not self._inbox.closed:
            self._outages.failed("the connection has ended; connecting again")

    def _go_online(self, connection: Connection) -> None:
        connection.publish(Message(self._topics.status, b"online", retain=True))

    def _announce(self, connection: Connection) -> None:
        if self._announcement is not None:
            connection.publish(self._announcement.message())

    def _obey(self, connection: Connection, incoming: Incoming) -> None:
        topics = self._topics
        if incoming.topic == topics.status:
            # The last will of a connection that was lost may come after this one has begun
            if incoming.payload == b"offline" and not incoming.retained:
                self._go_online(connection)
        elif incoming.topic.endswith(("/state", "/problem")):
            # What an earlier run has left there, of a source or region that is gone
            if incoming.retained and incoming.payload and incoming.topic not in self._own_topics():
                connection.publish(Message.clearing(incoming.topic))
        elif self._announcement is not None and incoming.topic == topics.home_assistant:
            if incoming.payload == b"online" and not incoming.retained:
                self._announce(connection)
                self._pacing.forget()
        elif self._announcement is not None and not incoming.retained:
            self._announcement.obey(incoming.topic, incoming.payload)

    def _own_topics(self) -> set[str]:
        states = {self._topics.state(key) for key in self._standings.sources()}
        return states | {self._topics.problem(source) for source in self._service.sources}

    def _say_what_stands(self, connection: Connection) -> None:
        now_s, standings = time.monotonic(), self._standings.now()
        for standing in standings:
            if standing.stale:
                self._inbox.went_stale(standing)
        standing_now = list(self._retained(standings))
        for topic, values, content in standing_now:
            if self._pacing.due(topic, content, now_s):
                connection.publish(Message.json(topic, values, retain=True))
        for topic in self._pacing.gone({topic for topic, _, _ in standing_now}):
            connection.publish(Message.clearing(topic))

    def _retained(self, standings: Sequence[Standing]) -> Iterator[tuple[str, dict[str, Any], Content]]:
        """What the broker is to retain: the topic, the message as JSON, and what its pacing depends on."""
        for standing in standings:
            yield self._topics.state(standing.key), standing.values, standing.content
        for source in self._service.sources:
            problem = self._standings.problem(source, standings)
            yield self._topics.problem(source), problem.values, problem.content
        if self._announcement is not None:
            yield from self._announcement.versions()

    def _say_changes(self, connection: Connection) -> None:
        while connection.has_room and (change := self._inbox.next_change()) is not None:
            connection.publish(change)

    def _farewell(self, connection: Connection) -> None:
        """No decision stands any more, and the device is offline."""
        self._say_changes(connection)
        for standing in self._standings.now():
            connection.publish(self._last_state(standing))
        connection.publish(Message(self._topics.status, b"offline", retain=True))
        connection.close(_FAREWELL_S)

    def _last_state(self, standing: Standing) -> Message:
        ended = replace(
            standing.state,
            label=None,
            score=None,
            status="no_decision",
            reason="the service has been stopped",
            since=now_rfc3339(),
        )
        values = replace(standing, state=ended).values
        return Message.json(self._topics.state(standing.key), values, retain=True)
