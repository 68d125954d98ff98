"""A device that says over one connection what the service says, and a decision of it."""

from __future__ import annotations

import socket
import struct
import time

from mqtt_packets import packet, packets, text
from serving.running import TINY
from serving.swap.swap_models import sha256

from edgecnn.runtime.decision import LatencyMs, Prediction, Score
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.latest import State, StateKey
from edgecnn.serving.mqtt.connection import QOS
from edgecnn.serving.mqtt.discovery import Entities, discovery_values, entity_platforms, version_of
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.pacing import Content, Pacing
from edgecnn.serving.mqtt.states import Problem, Standing, event_values
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.settings.settings import MqttSettings

CAMERA = "fake:640x480@10"  # the address of the cameras
KEY = StateKey("door", "main")
LABELS = ("circle", "square")
MODEL = sha256(TINY.read_bytes())
MAX_AGE_S = 10.0  # the service's default: states are sent twice in that time
KEEPALIVE_S = 20  # of the service


def decided(number: int, changes: int, *, changed: bool) -> Decided:
    """A decision; the label is another one after each change."""
    index = changes % len(LABELS)
    prediction = Prediction(
        source="door",
        frame=number,
        captured_at=now_rfc3339(),
        media_time_s=None,
        age_ms=0.0,
        status="ok",
        reason=None,
        label=LABELS[index],
        index=index,
        score=0.9731,
        top=(Score(LABELS[index], 0.9731),),
        latency_ms=LatencyMs(None, None, None, 0.0),
        ep="cpu",
        model_sha256=MODEL,
    )
    return Decided(KEY.view, "door", None, KEY.model, prediction, changed, None, number)


def connect(client_id: str, will: Message) -> bytes:
    flags = 0x02 | 0x04 | QOS << 3 | will.retain << 5
    head = text("MQTT") + struct.pack("!BBH", 4, flags, KEEPALIVE_S)
    return packet(0x10, head + text(client_id) + text(will.topic) + text(will.payload))


class Device:
    """A device: says over one connection what the service says."""

    def __init__(self, name: str) -> None:
        self.topics = Topics.of(MqttSettings(url="mqtt://127.0.0.1"), name)
        self.pacing = Pacing(MAX_AGE_S / 2)
        self.entities = Entities({KEY: LABELS}, ["door"], {"main": version_of(MODEL)})
        self.name = name
        self.changes = 0
        self._since = now_rfc3339()
        self._number = 0
        self._received = bytearray()

    def open(self, port: int) -> None:
        """Connects, subscribes and says what the service says first."""
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        topics = self.topics
        asked = [topics.status, *topics.all_states, topics.home_assistant, topics.install("main")]
        wanted = b"".join(text(topic) + bytes([QOS]) for topic in asked)
        will = Message(topics.status, b"offline", retain=True)
        self.socket.sendall(connect(topics.device_id, will) + packet(0x82, struct.pack("!H", 65535) + wanted))
        self._say(Message(topics.status, b"online", retain=True))
        shown = discovery_values(topics, self.name, MAX_AGE_S, self.entities, entity_platforms(self.entities))
        self._say(Message.json(topics.discovery, shown, retain=True))
        self.change()

    def change(self) -> None:
        """Another label."""
        self.changes += 1
        self._since = now_rfc3339()
        said = event_values(decided(self.changes, self.changes, changed=True), self._since)
        self.tick()
        self._say(Message.json(self.topics.event(KEY), said, retain=False))

    def tick(self) -> None:
        """Says what is due."""
        now_s, version, problem = time.monotonic(), version_of(MODEL), Problem("door", None)
        label = LABELS[self.changes % len(LABELS)]
        state = State(label, 0.9731, "ok", None, self._since, MODEL, "door", None, None, self._since)
        standing = Standing(KEY, state, stale=False)
        update = {"installed_version": version, "latest_version": version}
        for topic, values, content in (
            (self.topics.state(KEY), standing.values, standing.content),
            (self.topics.problem("door"), problem.values, problem.content),
            (self.topics.update("main"), update, Content((version, version))),
        ):
            if self.pacing.due(topic, content, now_s):
                self._say(Message.json(topic, values, retain=True))

    def ping(self) -> None:
        """Tells the broker that the connection lives."""
        self.socket.sendall(b"\xc0\x00")

    def read(self) -> bool:
        """Takes what has come, and confirms it; False: the connection has ended."""
        try:
            content = self.socket.recv(65536)
        except OSError:
            content = b""
        self._received += content
        for kind, body in packets(self._received):
            if kind & 0xF6 == 0x32:
                begin = 2 + int.from_bytes(body[:2], "big")
                self.socket.sendall(b"\x40\x02" + body[begin : begin + 2])
        return bool(content)

    def cut(self) -> None:
        """Breaks the connection off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _say(self, message: Message) -> None:
        self._number = self._number % 65000 + 1
        body = text(message.topic) + struct.pack("!H", self._number) + message.payload
        self.socket.sendall(packet(0x30 | QOS << 1 | message.retain, body))
