"""A fleet of devices at one MQTT broker, and what one device gives to Prometheus.

    python benchmarks/bench_fleet.py broker
    python benchmarks/bench_fleet.py broker --change-every 0
    python benchmarks/bench_fleet.py descriptors
    python benchmarks/bench_fleet.py metrics

`broker` starts mosquitto and a simulated fleet. Each device is the service's own `Service` and `MqttPart`, so topics,
messages, last wills, subscriptions and pacing are those of `edgecnn serve`; only its camera is left out: its decisions
are made up. A listener counts what arrives. Then a third of the fleet is killed, and a new listener asks for all that
is retained. `descriptors` gives mosquitto the 1024 file descriptors that systemd gives a program by default.
`metrics` counts the series of a real service's `/metrics`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import os
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from serving.mqtt.mosquitto import Mosquitto
from serving.running import TINY, ask, running, until

from edgecnn import Classifier
from edgecnn.runtime.decision import LatencyMs, Prediction, Score
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.capture.live_options import LiveOptions
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.engine.source_runner import SourceRunner, SourceStatus
from edgecnn.serving.engine.source_views import SourceViews
from edgecnn.serving.engine.view import View
from edgecnn.serving.mqtt.connection import QOS
from edgecnn.serving.mqtt.part import MqttPart
from edgecnn.serving.mqtt.updates import WaitingSwap
from edgecnn.serving.settings.settings import Settings

CAMERA = "fake:640x480@10"  # the address that is never opened
DEVICES_EACH = 50  # of a process of the simulation: two threads for each device
CUT_SHARE = 1 / 3
LONGEST_WAIT_S = 900.0  # on a busy machine
SYSTEMD_DESCRIPTORS = 1024
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


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


@dataclass(frozen=True)
class Load:
    """What each device decides."""

    decisions_per_s: float
    change_every: int  # every so many decisions the label is another one; 0: never after the first


@dataclass
class Device:
    """A device without a camera."""

    service: Service
    part: MqttPart
    loaded: LoadedModel
    decisions: int = 0
    changes: int = 0

    @classmethod
    def of(cls, name: str, url: str, loaded: LoadedModel, folder: Path) -> Device:
        """The device with this name, at a broker."""
        given = {"device": name, "models": [{"file": TINY}], "mqtt": {"url": url}, "state_dir": folder}
        settings = Settings.model_validate({**given, "sources": [{"name": "door", "address": CAMERA}]})
        service = Service(settings, folder, {"main": loaded})
        views = SourceViews([View("door")], list(service.models.values()), FrameQualityThresholds(), None)
        service.sources["door"] = UpSource("door", parse_address(CAMERA), LiveOptions(), views, service.hub)
        assert settings.mqtt is not None
        return cls(service, MqttPart(service, settings.mqtt, NoSwaps()), loaded)

    def decide(self, load: Load) -> None:
        """Decides once, as a source does after an inference."""
        changed = self.decisions == 0 or (load.change_every > 0 and self.decisions % load.change_every == 0)
        self.decisions += 1
        self.changes += changed
        index = self.changes % 2
        label = self.loaded.labels[index]
        prediction = Prediction(
            source="door",
            frame=self.decisions,
            captured_at=now_rfc3339(),
            media_time_s=None,
            age_ms=0.0,
            status="ok",
            reason=None,
            label=label,
            index=index,
            score=0.9731,
            top=(Score(label, 0.9731),),
            latency_ms=LatencyMs(None, None, None, 0.0),
            ep="cpu",
            model_sha256=self.loaded.sha256,
        )
        self.service.hub.publish(Decided("door", "door", None, "main", prediction, changed, None, self.decisions))


def simulate(url: str, names: Sequence[str], load: Load, pipe: Pipe) -> None:
    """Body of a process: waits for the word, then runs devices until it is killed.

    The second word ends the decisions; the answer is how many decisions there were, and the changes of each device.
    """
    pipe.recv()
    logging.getLogger("edgecnn").setLevel(logging.ERROR)  # each device would tell of a broker that is away
    with tempfile.TemporaryDirectory() as folder:
        loaded = LoadedModel.of(Classifier(TINY, threads=1), TINY)
        fleet = [Device.of(name, url, loaded, Path(folder)) for name in names]
        for device in fleet:
            device.part.start()
        decide_until_told(fleet, load, pipe)
        told = {name: device.changes for name, device in zip(names, fleet, strict=True)}
        pipe.send((sum(device.decisions for device in fleet), told))
        signal.pause()


def decide_until_told(fleet: Sequence[Device], load: Load, pipe: Pipe) -> None:
    """Lets the devices decide in turn, spread evenly over the time between two decisions of one."""
    period_s, now_s = 1 / load.decisions_per_s, time.monotonic()
    due = [(now_s + period_s * i / len(fleet), i) for i in range(len(fleet))]
    while not pipe.poll(max(0.0, due[0][0] - time.monotonic())):
        at_s, i = due[0]
        fleet[i].decide(load)
        heapq.heapreplace(due, (at_s + period_s, i))
    pipe.recv()


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
    changes: dict[str, set[str]] = field(default_factory=dict)  # by device: when each was
    retained: set[str] = field(default_factory=set)  # topics that are retained
    twice: int = 0
    stale: int = 0
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

    def _hear(self, _: Client, __: Any, message: MQTTMessage) -> None:
        topic, _, kind = message.topic.rpartition("/")
        if message.topic.startswith("$SYS/"):
            number = message.payload.decode().split()[0]
            if number.replace(".", "").isdigit():
                self.counters[message.topic.removeprefix("$SYS/broker/")] = float(number)
            return
        self.kinds[kind] += 1
        if kind != "event":
            self.retained.add(message.topic)
        device = topic.split("/")[1]
        if kind == "status":
            self.status[device], self.status_at_s[device] = message.payload.decode(), time.monotonic()
        elif kind == "state":
            self.stands.add(device)
        elif kind == "event":
            self._changed(device, json.loads(message.payload))

    def _changed(self, device: str, values: dict[str, Any]) -> None:
        if values["status"] != "ok":
            self.stale += 1
            return
        since, known = values["since"], self.changes.setdefault(device, set())
        self.twice += since in known
        known.add(since)
        self.late_s.append(time.time() - datetime.fromisoformat(since).timestamp())

    def are(self, status: str) -> int:
        """How many devices are online, or offline."""
        return sum(said == status for said in tuple(self.status.values()))


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
        return cls((int(fields[11]) + int(fields[12])) * TICK_S, rss_mb)


@dataclass(frozen=True)
class Worker:
    """A process of the simulation."""

    names: list[str]
    pid: int
    pipe: Pipe


def start_workers(url: str, clients: int, load: Load) -> list[Worker]:
    """Forks all processes while this one has no threads; they wait for the word."""
    context, workers = get_context("fork"), []
    for first in range(0, clients, DEVICES_EACH):
        names = [f"device-{n:05d}" for n in range(first, min(first + DEVICES_EACH, clients))]
        ours, theirs = context.Pipe()
        process = context.Process(target=simulate, args=(url, names, load, theirs), daemon=True)
        process.start()
        assert process.pid is not None
        workers.append(Worker(names, process.pid, ours))
    return workers


def broker(o: argparse.Namespace) -> None:
    """The whole measurement."""
    load = Load(o.decisions, o.change_every)
    steps = [count for count in (100, 300) if count < o.clients] + [o.clients]
    with tempfile.TemporaryDirectory() as folder:
        server = Mosquitto(Path(folder) / "broker", "sys_interval 1", f"max_queued_messages {o.queue}")
        workers = start_workers(server.url, o.clients, load)
        server.start()
        try:
            listener = Listener(server.port)
            until(lambda: listener.counters)
            print(f"0 devices: broker {Usage.of(server.pid).rss_mb:.1f} MB", flush=True)
            going = 0
            for count in steps:
                going = let_go(workers, going, count)
                window(server.pid, listener, count, o.seconds)
            compare(listener, workers)
            cut(listener, workers)
            ask_for_retained(server.port, listener)
            if o.restart:
                restart(server, listener)
        finally:
            for worker in workers:
                os.kill(worker.pid, signal.SIGKILL)
            server.kill()


def let_go(workers: Sequence[Worker], going: int, count: int) -> int:
    """Lets further processes begin, until so many devices run; returns how many processes run then."""
    wanted = next(i for i in range(len(workers) + 1) if sum(len(w.names) for w in workers[:i]) >= count)
    for worker in workers[going:wanted]:
        worker.pipe.send("go")
    return wanted


def window(pid: int, listener: Listener, count: int, seconds: float) -> None:
    """Waits until all devices stand, then measures for a while."""
    begin_s = time.monotonic()
    wait(lambda: len(listener.stands) >= count and listener.are("online") >= count)
    print(f"{count} devices: all online after {time.monotonic() - begin_s:.0f} s", flush=True)
    time.sleep(10)  # the memory of connecting is given back, and the devices are out of step
    listener.late_s.clear()
    kinds, before, used = Counter(listener.kinds), listener.counted(), Usage.of(pid)
    time.sleep(seconds)
    after, now, late_s = listener.counted(), Usage.of(pid), sorted(listener.late_s)
    heard = Counter(listener.kinds) - kinds
    received = sum(heard.values()) / seconds  # the listener hears each message of the fleet once
    sent = after.per_s(before, "publish/messages/sent")
    into, out = (after.per_s(before, f"bytes/{way}") for way in ("received", "sent"))
    cpu_s = now.cpu_s - used.cpu_s
    print(f"  broker: {now.rss_mb:.1f} MB, {cpu_s / seconds:.1%} of a core")
    print(f"  messages/s: {received:.0f} in, {sent:.0f} out; kB/s: {into / 1e3:.1f} in, {out / 1e3:.1f} out")
    print(f"  processor time per 1,000 messages in: {cpu_s / seconds / received * 1e6:.0f} ms, with their copies out")
    print(f"  the listener heard a second: {dict(sorted((k, round(n / seconds, 1)) for k, n in heard.items()))}")
    if late_s:
        worst = late_s[int(0.99 * len(late_s))]
        print(
            f"  from decision to listener: median {statistics.median(late_s) * 1e3:.0f} ms, "
            f"p99 {worst * 1e3:.0f} ms ({len(late_s)} changes)"
        )
    print(f"  dropped by the broker: {after.values.get('publish/messages/dropped', 0):.0f}", flush=True)


def compare(listener: Listener, workers: Sequence[Worker]) -> None:
    """Ends the decisions and compares the changes that were told with those that were heard."""
    for worker in workers:
        worker.pipe.send("quiet")
    answers = [worker.pipe.recv() for worker in workers]
    told = {name: changes for _, each in answers for name, changes in each.items()}
    heard = wait_or_give_up(lambda: sum(map(len, listener.changes.values())), sum(told.values()))
    print(f"{sum(decisions for decisions, _ in answers)} decisions, {sum(told.values())} changes of them")
    print(f"  lost: {sum(told.values()) - heard}, heard twice: {listener.twice}, told as stale: {listener.stale}")


def cut(listener: Listener, workers: Sequence[Worker]) -> None:
    """Kills a third of the processes; their last wills have to come, and those of no other."""
    victims = workers[: max(1, round(CUT_SHARE * len(workers)))]
    names = {name for worker in victims for name in worker.names}
    begin_s = time.monotonic()
    for worker in victims:
        os.kill(worker.pid, signal.SIGKILL)
    wait(lambda: listener.are("offline") >= len(names))
    offline = {name for name, said in listener.status.items() if said == "offline"}
    late_s = sorted(listener.status_at_s[name] - begin_s for name in names)
    print(f"{len(names)} devices killed: {len(names & offline)} wills came, {len(offline - names)} of other devices")
    print(f"  after: median {statistics.median(late_s):.2f} s, at most {late_s[-1]:.2f} s", flush=True)


def ask_for_retained(port: int, listener: Listener) -> None:
    """A new listener: of how many retained messages it hears, at QoS 1 and at QoS 0."""
    stored = len(listener.retained)
    for qos in (1, 0):
        heard: set[str] = set()
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _, __, message, heard=heard: message.retain and heard.add(message.topic)
        client.connect("127.0.0.1", port)
        client.subscribe([("edgecnn/#", qos), ("homeassistant/#", qos)])
        client.loop_start()
        begin_s, last_s, found = time.monotonic(), time.monotonic(), 0
        while time.monotonic() - last_s < 8:  # all states are sent again within five seconds
            if len(heard) > found:
                found, last_s = len(heard), time.monotonic()
            time.sleep(0.05)
        client.disconnect()
        print(
            f"a new listener, QoS {qos}: {found} of {stored} retained messages, "
            f"the last after {last_s - begin_s:.1f} s",
            flush=True,
        )
    dropped = listener.counters.get("publish/messages/dropped", 0)
    print(f"  dropped by the broker until now: {dropped:.0f}", flush=True)


def restart(server: Mosquitto, listener: Listener) -> None:
    """Kills the broker and starts it again: until every device that lives is there."""
    alive = listener.are("online")
    listener.client.disconnect()
    server.kill()
    time.sleep(3)
    server.start()
    begin_s, anew = time.monotonic(), Listener(server.port)
    wait(lambda: len(anew.stands) >= alive and anew.are("online") >= alive)
    at_s = sorted(anew.status_at_s[name] - begin_s for name in anew.status)
    busiest = max(Counter(int(second) for second in at_s).values())
    print(f"broker away for 3 s: {alive} devices online again after {at_s[-1]:.1f} s, at most {busiest} in one second")


def descriptors(o: argparse.Namespace) -> None:
    """How many devices a broker takes that may open as many files as systemd lets it by default."""
    with tempfile.TemporaryDirectory() as folder:
        server = Mosquitto(Path(folder) / "broker", "sys_interval 1")
        workers = start_workers(server.url, o.clients, Load(1.0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (SYSTEMD_DESCRIPTORS, hard))
        server.start()
        try:
            listener = Listener(server.port)
            let_go(workers, 0, o.clients)
            time.sleep(o.seconds)
            print(f"soft limit {SYSTEMD_DESCRIPTORS}: {listener.are('online')} of {o.clients} devices are online")
        finally:
            for worker in workers:
                os.kill(worker.pid, signal.SIGKILL)
            server.kill()


def metrics(o: argparse.Namespace) -> None:
    """Counts what a service gives to Prometheus, with one source and with four."""
    for sources in (1, 4):
        given = [{"name": f"camera-{n}", "address": CAMERA} for n in range(sources)]
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), sources=given) as service:
            until(lambda service=service, sources=sources: len(service.service.latest.states()) == sources)
            time.sleep(o.seconds)
            times_s = []
            for _ in range(50):
                begin_s = time.perf_counter()
                text = ask(f"{service.url}/metrics").content
                times_s.append(time.perf_counter() - begin_s)
        lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
        names = Counter(line.split("{")[0].split()[0] for line in lines)
        print(f"{sources} sources, 1 model: {len(lines)} series, {len(text)} bytes, {statistics.median(times_s):.4f} s")
        print(f"  most of them: {dict(names.most_common(6))}", flush=True)


def wait(there: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_WAIT_S
    while not there():
        if time.monotonic() > end_s:
            raise SystemExit(f"it did not come in {LONGEST_WAIT_S:g} s")
        time.sleep(0.02)


def wait_or_give_up(count: Callable[[], int], wanted: int) -> int:
    """Waits at most ten seconds for a number."""
    end_s = time.monotonic() + 10
    while (found := count()) < wanted and time.monotonic() < end_s:
        time.sleep(0.05)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("broker")
    one.add_argument("--clients", type=int, default=1000)
    one.add_argument("--decisions", type=float, default=0.2, help="of a device, a second")
    one.add_argument("--change-every", type=int, default=2, help="decisions; 0: the label never changes")
    one.add_argument("--seconds", type=float, default=30.0)
    one.add_argument("--queue", type=int, default=100_000, help="mosquitto's max_queued_messages; its default is 1000")
    one.add_argument("--restart", action="store_true")
    two = commands.add_parser("descriptors")
    two.add_argument("--clients", type=int, default=1100)
    two.add_argument("--seconds", type=float, default=60.0)
    commands.add_parser("metrics").add_argument("--seconds", type=float, default=5.0)
    o = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection is a file descriptor of the broker
    {"broker": broker, "descriptors": descriptors, "metrics": metrics}[o.command](o)


if __name__ == "__main__":
    main()
