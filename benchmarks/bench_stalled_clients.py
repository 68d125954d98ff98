"""What 50 clients that read nothing, or stop in the middle of a request, cost a service: frames a second and memory.

    python benchmarks/bench_stalled_clients.py tests/models/tiny.onnx --rounds 5 --seconds 10
    python benchmarks/bench_stalled_clients.py tests/models/tiny.onnx --clients 200

One service. In each round it runs without clients and then with them. A client that the service cuts off comes back.
More clients than `limits.connections` (100) fill all places: who counts the frames has a connection of before.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_serve import cpu_s, memory_mb
from serving.running import ServiceProcess, serving, until
from serving.stalled_clients import stalled_clients


@dataclass(frozen=True)
class Phase:
    """A part of a round."""

    frames_per_s: float
    memory_mb: float  # largest resident set of the service's own process
    core_share: float  # its processor time per second, in cores


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--source", default="fake:640x480@30")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(o.model, o.source, env={"XDG_STATE_HOME": folder}) as service:
        counter = FrameCounter(service.url)
        until(lambda: counter.frames() > 100)
        alone, stalled = [], []
        for number in range(o.rounds):
            for phases, count in ((alone, 0), (stalled, o.clients)):
                phases.append(measure(service, counter, count, o.seconds))
                print(f"{number} {count} clients: {phases[-1]}", flush=True)
    ratios = [now.frames_per_s / base.frames_per_s for now, base in zip(stalled, alone, strict=True)]
    print(f"frames a second: {statistics.median(ratios):.3f}x ({min(ratios):.3f} to {max(ratios):.3f})")
    growth = max(phase.memory_mb for phase in stalled) - alone[0].memory_mb
    print(f"memory: {growth:+.1f} MB at most over the first round without clients")


class FrameCounter:
    """Asks how many frames were decided on, over one connection that stays open as long as it asks."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

    def frames(self) -> int:
        """Of all sources."""
        self._connection.request("GET", "/api/state")
        return sum(source["frames"] for source in json.load(self._connection.getresponse())["sources"])


def measure(service: ServiceProcess, counter: FrameCounter, clients: int, seconds: float) -> Phase:
    """Frames, memory and processor time over some seconds, with this many stalled clients."""
    pid, port = service.process.pid, int(service.url.rpartition(":")[2])
    with stalled_clients(port, clients, "camera") if clients else nullcontext():
        begun_s, cpu_before_s, before = time.monotonic(), cpu_s(pid), counter.frames()
        memory = []
        while time.monotonic() < begun_s + seconds:
            time.sleep(0.25)
            memory.append(memory_mb(pid))
            counter.frames()  # a connection that asks nothing is closed
        took_s = time.monotonic() - begun_s
        return Phase((counter.frames() - before) / took_s, max(memory), (cpu_s(pid) - cpu_before_s) / took_s)


if __name__ == "__main__":
    main()
