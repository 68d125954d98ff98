"""Another client of the broker, which remembers all that it hears."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from waiting import until


@dataclass(frozen=True)
class Heard:
    """A message."""

    topic: str
    payload: bytes
    retained: bool  # it was there before the subscription
    at_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """Hears every topic."""

    def __init__(self, port: int, username: str | None, password: str | None, tls: ssl.SSLContext | None) -> None:
        self.heard: list[Heard] = []
        self.client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        if username is not None:
            self.client.username_pw_set(username, password)
        if tls is not None:
            self.client.tls_set_context(tls)
        self.client.on_message = self._hear
        self.client.connect("localhost" if tls else "127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("#", 1)

    def of(self, topic: str) -> list[Heard]:
        """What came on a topic, oldest first."""
        return [heard for heard in tuple(self.heard) if heard.topic == topic]

    def wait(self, topic: str, wanted: Any = lambda heard: True, *, after: int = 0) -> Heard:
        """Waits for a message that is as wanted, among those after the first ones of the topic."""
        return until(lambda: next((heard for heard in self.of(topic)[after:] if wanted(heard)), None))

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def _hear(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain, time.monotonic()))


@contextlib.contextmanager
def listening(
    port: int, username: str | None = None, password: str | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Listener]:
    """A listener that is connected while the block runs."""
    listener = Listener(port, username, password, tls)
    try:
        yield listener
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()
