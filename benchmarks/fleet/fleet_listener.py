"""What a listener to the whole fleet hears, and what the broker counts."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edgecnn.serving.mqtt.connection import QOS


@dataclass(frozen=True)
class Counted:
    """What the broker itself has counted until now."""

    at_s: float
    values: dict[str, float]

    def per_s(self, earlier: Counted, name: str) -> float:
        """How fast a counter has grown."""
        return (self.values.get(name, 0) - earlier.values.get(name, 0)) / (self.at_s - earlier.at_s)


@dataclass
class Listener:
    """Hears what the whole fleet says."""

    port: int
    kinds: Counter[str] = field(default_factory=Counter)
    status: dict[str, str] = field(default_factory=dict)
    status_at_s: dict[str, float] = field(default_factory=dict)
    stands: set[str] = field(default_factory=set)  # devices whose state has come
    changes: dict[str, list[str]] = field(default_factory=dict)  # by device: when each was
    payloads: dict[str, bytes] = field(default_factory=dict)  # the last one of each topic
    late_s: list[float] = field(default_factory=list)
    counters: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", self.port)
        self.client.subscribe([("edgecnn/#", QOS), ("homeassistant/device/#", QOS), ("$SYS/broker/#", 0)])
        self.client.loop_start()

    def counted(self) -> Counted:
        """What the broker has told last."""
        return Counted(time.monotonic(), dict(self.counters))

    def are(self, status: str) -> int:
        """How many devices are online, or offline."""
        return sum(said == status for said in tuple(self.status.values()))

    def retained(self) -> int:
        """How many messages of the fleet are retained."""
        return sum(not topic.endswith("/event") for topic in tuple(self.payloads))

    def _hear(self, _: Client, __: Any, message: MQTTMessage) -> None:
        topic, _, kind = message.topic.rpartition("/")
        if message.topic.startswith("$SYS/"):
            number = message.payload.decode().split()[0]
            if number.replace(".", "").isdigit():
                self.counters[message.topic.removeprefix("$SYS/broker/")] = float(number)
            return
        self.kinds[kind] += 1
        self.payloads[message.topic] = message.payload
        device = topic.split("/")[1]
        if kind == "status":
            self.status[device], self.status_at_s[device] = message.payload.decode(), time.monotonic()
        elif kind == "state":
            self.stands.add(device)
        elif kind == "event":
            since = json.loads(message.payload)["since"]
            self.changes.setdefault(device, []).append(since)
            self.late_s.append(time.time() - datetime.fromisoformat(since).timestamp())
