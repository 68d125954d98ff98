"""A fleet of devices at one MQTT broker, and what one device gives to Prometheus.

    python benchmarks/bench_fleet.py broker
    python benchmarks/bench_fleet.py broker --clients 300 --queue 1000
    python benchmarks/bench_fleet.py broker --clients 1100 --descriptors 1024
    python benchmarks/bench_fleet.py metrics

`broker` starts mosquitto and a simulated fleet. The service's own classes make the topics, the messages and the last
wills and choose the moments; only the packets are written here, since the service has two threads for its connection
and a thousand of those would take the processor from the broker. A real `MqttPart` beside them shows whether the
simulated devices say the same. A listener counts what arrives. Then a third of the fleet is cut off, some more fall
silent, and a new listener asks for all that is retained. `metrics` counts the series of a real service's `/metrics`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import selectors
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from serving.mqtt.mosquitto import Mosquitto
from serving.running import TINY, ask, running, until
from serving.swap.swap_models import sha256

from edgecnn import Classifier
from edgecnn.runtime.decision import LatencyMs, Prediction, Score
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.capture.live_options import LiveOptions
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.latest import State, StateKey
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.engine.source_runner import SourceRunner, SourceStatus
from edgecnn.serving.engine.source_views import SourceViews
from edgecnn.serving.engine.view import View
from edgecnn.serving.mqtt.connection import QOS
from edgecnn.serving.mqtt.discovery import Entities, discovery_values, entity_platforms, version_of
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.pacing import Content, Pacing
from edgecnn.serving.mqtt.part import MqttPart
from edgecnn.serving.mqtt.states import Problem, Standing, event_values
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.mqtt.updates import WaitingSwap
from edgecnn.serving.settings.settings import MqttSettings, Settings

CAMERA = "fake:640x480@10"  # the address of the cameras
KEY = StateKey("door", "main")
LABELS = ("circle", "square")
MODEL = sha256(TINY.read_bytes())
MAX_AGE_S = 10.0  # the service's default: states are sent twice in that time
TICK_S = 0.5  # between two looks of the service for what is due
KEEPALIVE_S = 20  # of the service
SILENT = 20  # devices that lose their power
CUT_SHARE = 1 / 3
LONGEST_WAIT_S = 300.0
CPU_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


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


class UpSource(SourceRunner):
    """A source that is up, though nothing reads it."""

    def status(self) -> SourceStatus:
        """As it is, but up."""
        return replace(super().status(), up=True)


class NoSwaps:
    """The swaps of a device to which nobody sends a model."""

    waiting: Sequence[WaitingSwap] = ()

    def accept(self, model: str, swap_id: str | None = None) -> object:
        """Never called."""
        raise AssertionError(f"nobody accepts {model} {swap_id}")


@contextlib.contextmanager
def real_device(name: str, url: str) -> Iterator[Service]:
    """The service and its MQTT without a camera."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"device": name, "models": [{"file": TINY}], "mqtt": {"url": url}, "state_dir": folder}
        settings = Settings.model_validate({**given, "sources": [{"name": "door", "address": CAMERA}]})
        loaded = LoadedModel.of(Classifier(TINY, threads=1), TINY)
        assert (loaded.sha256, loaded.labels) == (MODEL, LABELS)
        service = Service(settings, Path(folder), {"main": loaded})
        views = SourceViews([View("door")], list(service.models.values()), FrameQualityThresholds(), None)
        service.sources["door"] = UpSource("door", parse_address(CAMERA), LiveOptions(), views, service.hub)
        assert settings.mqtt is not None
        part = MqttPart(service, settings.mqtt, NoSwaps())
        part.start()
        try:
            yield service
        finally:
            part.stop()


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(content)) + content


def packet(kind: int, body: bytes) -> bytes:
    """An MQTT packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (128 if rest else 0))
        if not rest:
            return bytes([kind, *length]) + body


def connect(client_id: str, will: Message) -> bytes:
    flags = 0x02 | 0x04 | QOS << 3 | will.retain << 5
    head = text("MQTT") + struct.pack("!BBH", 4, flags, KEEPALIVE_S)
    return packet(0x10, head + text(client_id) + text(will.topic) + text(will.payload))


def packets(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Takes the whole packets from what was received."""
    while len(received) >= 2:
        size = next((n for n, byte in enumerate(received[1:5], 1) if byte < 128), None)
        if size is None:
            return
        at = 1 + size
        length = sum((byte & 127) << 7 * n for n, byte in enumerate(received[1:at]))
        if len(received) < at + length:
            return
        yield received[0], bytes(received[at : at + length])
        del received[: at + length]


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


class Fleet:
    """Devices that one thread serves in turn."""

    def __init__(self, port: int, change_s: float) -> None:
        self.devices: list[Device] = []  # those that live
        self.lost = 0  # connections that the broker ended
        self._port = port
        self._change_s = change_s
        self._selector = selectors.DefaultSelector()
        self._working = threading.Lock()
        self._ended = threading.Event()
        self.deciding = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def grow(self, count: int) -> None:
        """Adds devices until there are so many."""
        for number in range(len(self.devices), count):
            device = Device(f"device-{number:05d}")
            with self._working:
                try:
                    device.open(self._port)
                except OSError:
                    self.lost += 1
                    continue
                self._selector.register(device.socket, selectors.EVENT_READ, device)
                self.devices.append(device)

    def take(self, count: int) -> list[Device]:
        """Removes devices, which are not served any more."""
        with self._working:
            taken, self.devices = self.devices[:count], self.devices[count:]
            for device in taken:
                self._selector.unregister(device.socket)
        return taken

    def stop(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        turn = 0
        while not self._ended.is_set():
            end_s = time.monotonic() + TICK_S
            while (left_s := end_s - time.monotonic()) > 0:
                with self._working:
                    ready = self._selector.select(0)
                    for key, _ in ready:
                        self._read(key.data)
                if not ready:
                    time.sleep(min(0.005, max(0.0, left_s)))
            turn += 1
            self._tick(turn)

    def _read(self, device: Device) -> None:
        if not device.read():
            self.lost += 1
            self._selector.unregister(device.socket)
            self.devices.remove(device)

    def _tick(self, turn: int) -> None:
        """Each device has its own moment of changing, spread evenly."""
        every = max(1, round(self._change_s / TICK_S)) if self._change_s else 0
        for place, device in enumerate(tuple(self.devices)):
            with self._working, contextlib.suppress(OSError):
                if self.deciding and every and (turn + place) % every == 0:
                    device.change()
                else:
                    device.tick()
                if (turn + place) % round(KEEPALIVE_S / TICK_S) == 0:
                    device.ping()


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


@dataclass(frozen=True)
class Usage:
    """What a process has used until now."""

    cpu_s: float
    rss_mb: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Reads what the system counts."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        rss_mb = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
        return cls((int(fields[11]) + int(fields[12])) * CPU_TICK_S, rss_mb)


def broker(o: argparse.Namespace) -> None:
    """The whole measurement."""
    steps = [count for count in (100, 300) if count < o.clients] + [o.clients]
    with tempfile.TemporaryDirectory() as folder:
        server = Mosquitto(Path(folder) / "broker", "sys_interval 1", f"max_queued_messages {o.queue}")
        with limited(o.descriptors):
            server.start()
        listener, fleet = Listener(server.port), Fleet(server.port, o.change_s)
        try:
            until(lambda: listener.counters)
            print(f"0 devices: broker {Usage.of(server.pid).rss_mb:.1f} MB", flush=True)
            for count in steps:
                begin_s = time.monotonic()
                fleet.grow(count)
                window(server.pid, listener, fleet, begin_s, o.seconds)
            compare(listener, fleet)
            if not o.descriptors:
                same_as_the_service(server.url, listener)
                ask_for_retained(server.port, listener)
                cut(listener, fleet)
        finally:
            fleet.stop()
            server.kill()


@contextlib.contextmanager
def limited(descriptors: int | None) -> Iterator[None]:
    """What starts here may open so many files, as systemd limits a program to 1024 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors or soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def window(pid: int, listener: Listener, fleet: Fleet, begin_s: float, seconds: float) -> None:
    """Waits until all devices stand, then measures for a while."""
    wait(lambda: len(listener.stands) >= len(fleet.devices) and listener.are("online") >= len(fleet.devices))
    print(f"{len(fleet.devices)} devices: all online after {time.monotonic() - begin_s:.0f} s", flush=True)
    time.sleep(10)
    listener.late_s.clear()
    kinds, before, used = Counter(listener.kinds), listener.counted(), Usage.of(pid)
    time.sleep(seconds)
    after, now, late_s = listener.counted(), Usage.of(pid), sorted(listener.late_s)
    heard = Counter(listener.kinds) - kinds
    took_s = after.at_s - before.at_s
    received = sum(heard.values()) / took_s  # the listener hears each message of the fleet once
    sent = after.per_s(before, "publish/messages/sent")
    into, out = (after.per_s(before, f"bytes/{way}") for way in ("received", "sent"))
    cpu_s = (now.cpu_s - used.cpu_s) / took_s
    print(f"  broker: {now.rss_mb:.1f} MB, {cpu_s:.1%} of a core")
    print(f"  messages/s: {received:.0f} in, {sent:.0f} out; kB/s: {into / 1e3:.1f} in, {out / 1e3:.1f} out")
    print(f"  processor time per 1,000 messages in: {cpu_s / received * 1e6:.0f} ms, with their copies out")
    print(f"  the listener heard a second: {dict(sorted((k, round(n / took_s, 1)) for k, n in heard.items()))}")
    if late_s:
        worst = late_s[int(0.99 * len(late_s))]
        print(
            f"  from decision to listener: median {statistics.median(late_s) * 1e3:.0f} ms, "
            f"p99 {worst * 1e3:.0f} ms ({len(late_s)} changes)"
        )
    print(
        f"  dropped by the broker: {after.values.get('publish/messages/dropped', 0):.0f}; "
        f"connections that it refused or ended: {fleet.lost}",
        flush=True,
    )


def compare(listener: Listener, fleet: Fleet) -> None:
    """Ends the changes, and compares those that were told with those that were heard."""
    fleet.deciding = False
    time.sleep(2 * TICK_S)
    told = sum(device.changes for device in fleet.devices)
    heard = wait_or_give_up(lambda: sum(len(set(at)) for at in tuple(listener.changes.values())), told)
    twice = sum(len(at) - len(set(at)) for at in listener.changes.values())
    print(f"{told} changes told: {told - heard} lost, {twice} heard twice", flush=True)


def same_as_the_service(url: str, listener: Listener) -> None:
    """The service itself says the same on the same topics."""
    with real_device("device-real", url) as service:
        service.hub.publish(decided(1, 1, changed=True))
        wait(lambda: "edgecnn/device-real/door/main/event" in listener.payloads)
        time.sleep(2)
        real = forms(listener, "device-real")
    simulated = forms(listener, "device-00050")
    assert real == simulated, (real, simulated)
    print(f"the service says the same on its {len(real)} topics", flush=True)


def forms(listener: Listener, device: str) -> dict[str, object]:
    """By topic, the keys of the last message, or its text."""
    found: dict[str, object] = {}
    for topic, payload in tuple(listener.payloads.items()):
        if device in topic:
            form = sorted(json.loads(payload)) if payload[:1] == b"{" else payload
            found[topic.replace(device, "DEVICE")] = form
    return found


def cut(listener: Listener, fleet: Fleet) -> None:
    """Breaks a third of the connections off, lets some devices fall silent; their last wills have to come."""
    for what, devices in (
        ("connections cut", fleet.take(round(CUT_SHARE * len(fleet.devices)))),
        ("devices silent", fleet.take(SILENT)),
    ):
        names, begin_s = {device.name for device in devices}, time.monotonic()
        for device in devices if what == "connections cut" else ():
            device.cut()
        wait(lambda names=names: all(listener.status[name] == "offline" for name in names))
        offline = {name for name in names if listener.status[name] == "offline"}
        late_s = sorted(listener.status_at_s[name] - begin_s for name in offline)
        print(
            f"{len(names)} {what}: {len(offline)} wills came, the first after {late_s[0]:.2f} s, "
            f"the last after {late_s[-1]:.2f} s",
            flush=True,
        )
    others = sum(listener.status[device.name] != "online" for device in fleet.devices)
    print(f"  of the other {len(fleet.devices)} devices, {others} are said to be offline")


def ask_for_retained(port: int, listener: Listener) -> None:
    """A new listener: how many of the retained messages it hears, at QoS 1 and at QoS 0."""
    for qos in (1, 0):
        heard: set[str] = set()
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _, __, message, heard=heard: message.retain and heard.add(message.topic)
        client.connect("127.0.0.1", port)
        client.subscribe([("edgecnn/#", qos), ("homeassistant/device/#", qos)])
        client.loop_start()
        begin_s, last_s, found = time.monotonic(), time.monotonic(), 0
        while time.monotonic() - last_s < 5:
            if len(heard) > found:
                found, last_s = len(heard), time.monotonic()
            time.sleep(0.05)
        client.disconnect()
        client.loop_stop()
        print(
            f"a new listener, QoS {qos}: {found} of {listener.retained()} retained messages, "
            f"the last after {last_s - begin_s:.1f} s",
            flush=True,
        )


def metrics(o: argparse.Namespace) -> None:
    """Counts what a service gives to Prometheus, with one source and with four."""
    for sources in (1, 4):
        given = [{"name": f"camera-{n}", "address": CAMERA} for n in range(sources)]
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), sources=given) as service:
            until(lambda service=service, sources=sources: len(service.service.latest.states()) == sources)
            time.sleep(o.seconds)
            content = ask(f"{service.url}/metrics").content
        lines = [line for line in content.decode().splitlines() if line and not line.startswith("#")]
        names = Counter(line.split("{")[0].split()[0] for line in lines)
        print(f"{sources} sources, 1 model: {len(lines)} series, {len(content)} bytes")
        print(f"  most of them: {dict(names.most_common(6))}", flush=True)


def wait(there: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_WAIT_S
    while not there():
        if time.monotonic() > end_s:
            raise SystemExit(f"it did not come in {LONGEST_WAIT_S:g} s")
        time.sleep(0.02)


def wait_or_give_up(count: Callable[[], int], wanted: int) -> int:
    """Waits at most half a minute for a number."""
    end_s = time.monotonic() + 30
    while (found := count()) < wanted and time.monotonic() < end_s:
        time.sleep(0.05)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("broker")
    one.add_argument("--clients", type=int, default=1000)
    one.add_argument("--change-s", type=float, default=10.0, help="between two changes of a device; 0: none")
    one.add_argument("--seconds", type=float, default=30.0)
    one.add_argument("--queue", type=int, default=100_000, help="mosquitto's max_queued_messages; its default is 1000")
    one.add_argument("--descriptors", type=int, help="files that mosquitto may open")
    commands.add_parser("metrics").add_argument("--seconds", type=float, default=2.0)
    o = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # one for each connection, here and there
    {"broker": broker, "metrics": metrics}[o.command](o)


if __name__ == "__main__":
    main()
