"""What 50 clients that read nothing, or stop in the middle of a request, cost a service: frames a second and memory.

    python benchmarks/bench_stalled_clients.py tests/models/tiny.onnx --rounds 5 --seconds 10

One service. In each round it runs without clients and then with them. A client that the service cuts off comes back.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_serve import cpu_s, frames, memory_mb
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
        until(lambda: sum(frames(service.url)) > 100)
        alone, stalled = [], []
        for number in range(o.rounds):
            for phases, count in ((alone, 0), (stalled, o.clients)):
                phases.append(measure(service, count, o.seconds))
                print(f"{number} {count} clients: {phases[-1]}", flush=True)
    ratios = [now.frames_per_s / base.frames_per_s for now, base in zip(stalled, alone, strict=True)]
    print(f"frames a second: {statistics.median(ratios):.3f}x ({min(ratios):.3f} to {max(ratios):.3f})")
    growth = max(phase.memory_mb for phase in stalled) - alone[0].memory_mb
    print(f"memory: {growth:+.1f} MB at most over the first round without clients")


def measure(service: ServiceProcess, clients: int, seconds: float) -> Phase:
    """Frames, memory and processor time over some seconds, with this many stalled clients."""
    pid, port = service.process.pid, int(service.url.rpartition(":")[2])
    with stalled_clients(port, clients, "camera") if clients else nullcontext():
        begun_s, cpu_before_s, before = time.monotonic(), cpu_s(pid), sum(frames(service.url))
        memory = []
        while time.monotonic() < begun_s + seconds:
            time.sleep(0.25)
            memory.append(memory_mb(pid))
        took_s = time.monotonic() - begun_s
        return Phase((sum(frames(service.url)) - before) / took_s, max(memory), (cpu_s(pid) - cpu_before_s) / took_s)


if __name__ == "__main__":
    main()
