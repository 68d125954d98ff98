"""A fleet of devices at one MQTT broker, and what one device gives to Prometheus.

    python benchmarks/fleet/bench_fleet.py broker
    python benchmarks/fleet/bench_fleet.py broker --clients 300 --queue 1000
    python benchmarks/fleet/bench_fleet.py broker --clients 1100 --descriptors 1024
    python benchmarks/fleet/bench_fleet.py metrics

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
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fleet_listener import Listener
from real_device import real_device
from serving.mqtt.mosquitto import Mosquitto
from serving.running import ask, running, until
from simulated_device import CAMERA, decided
from simulated_fleet import TICK_S, Fleet

SILENT = 20  # devices that lose their power
CUT_SHARE = 1 / 3
LONGEST_WAIT_S = 300.0
CPU_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


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
