"""A day of the service in fast forward: does it hold the same memory, descriptors and threads at the end?

    python benchmarks/soak/bench_soak.py --out /tmp/soak                     # 50,000 frames
    python benchmarks/soak/bench_soak.py --out /tmp/soak --frames 864000     # 24 hours at 10 frames a second

`edgecnn serve` runs as on a device, in a process of its own, with two cameras that send as fast as it decides and break
off after every 1,000 frames, a page that is opened anew every half minute, Prometheus, and a broker (mosquitto).
Twice a second a sample is written to `soak.csv`; at the end come `soak.svg` and the verdict, status 1 where the promise
is broken. What goes by the clock and not by frames, such as a page's visits, comes more seldom for each frame than in a
day. `benchmarks/bench_runner.py soak MODEL` has the stream of a program, `Classifier.stream`, which a service does not
use, and takes models of clips too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from clients import Clients
from levels import Levels
from plot import write_plot
from serving.mqtt.mosquitto import mosquitto
from serving.running import TINY, ServiceProcess, ask, serving, until
from soak_log import Sample, SoakLog, read_samples
from verdict import judge

SOURCES = ("door", "belt")
SETTINGS = """
state_dir = "{folder}/state"
models = [{{ file = "{model}" }}]
sources = [{{ name = "door", address = "{door}" }}, {{ name = "belt", address = "{belt}" }}]
collect = {{ dir = "{folder}/collected", max_mb = 2.0 }}
mqtt = {{ url = "{broker}" }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=50_000, help="that the service decides on, of both cameras")
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="end earlier, with the frames until then")
    parser.add_argument("--warm-up", type=int, default=10_000, help="frames before levels are compared")
    parser.add_argument("--frames-each", type=int, default=1_000, help="after which a camera breaks off")
    parser.add_argument("--fps", type=float, default=250.0, help="of each camera, at most")
    parser.add_argument("--sample-s", type=float, default=0.5)
    parser.add_argument("--model", type=Path, default=TINY)
    parser.add_argument("--out", type=Path, required=True, help="folder of soak.csv and soak.svg")
    o = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of all that ends what was started
    o.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        cameras(o.fps, o.frames_each) as (door, belt),
        mosquitto(Path(folder) / "broker") as broker,
    ):
        os.environ["EDGECNN_CACHE"] = f"{folder}/cache"
        config = Path(folder) / "edgecnn.toml"
        addresses = {"door": door, "belt": belt, "broker": broker.url}
        config.write_text(SETTINGS.format(folder=folder, model=o.model.resolve(), **addresses))
        with serving("--config", config) as service:
            outages = LinesCounted(service.process.stderr)
            until(lambda: all(source["frames"] for source in sources(service)))
            clients = Clients(service.url, SOURCES, broker.port)
            try:
                sample_until(service, o.frames, o.limit_s, o.sample_s, o.out / "soak.csv")
            finally:
                clients.stop()
            status = service.stop()
    samples = read_samples(o.out / "soak.csv")
    write_plot(o.out / "soak.svg", samples, o.warm_up)
    last = samples[-1]
    print(f"{last.frames:,} frames in {last.seconds:.0f} s: {last.frames / last.seconds:.0f} a second")
    print(f"{last.reconnects:,} reconnects, {outages.lines:,} lines on the screen, exit status {status}")
    print(
        f"{clients.pages:,} pages with {clients.events:,} events and {clients.images:,} images; "
        f"{clients.scrapes:,} scrapes; {clients.mqtt_messages:,} MQTT messages; {len(clients.failures)} failures"
    )
    for failure in clients.failures[:5]:
        print("  failure:", failure)
    verdict = judge(samples, o.warm_up)
    print(*verdict.lines(), sep="\n")
    sys.exit(1 if verdict.faults or clients.failures or status else 0)


@contextlib.contextmanager
def cameras(fps: float, frames_each: int) -> Iterator[tuple[str, str]]:
    """The addresses of both."""
    command = [sys.executable, str(Path(__file__).with_name("cameras.py")), f"--fps={fps}"]
    process = subprocess.Popen(
        [*command, f"--frames-each={frames_each}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


class LinesCounted:
    """Reads a stream to its end: a pipe that nobody reads would hold the service up."""

    def __init__(self, stream: IO[str] | None) -> None:
        assert stream is not None
        self.lines = 0
        self._stream = stream
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed by whoever ended the process
            for _ in self._stream:
                self.lines += 1


def sources(service: ServiceProcess) -> list[dict]:
    """Their states."""
    return ask(f"{service.url}/api/state").json["sources"]


def total(states: list[dict], what: str) -> int:
    """Of both sources."""
    return sum(state[what] for state in states)


def sample_until(service: ServiceProcess, frames: int, limit_s: float, sample_s: float, path: Path) -> None:
    """Writes samples until the service has decided on so many frames, or the time is over."""
    with path.open("w", newline="") as file:
        log, begin_s = SoakLog(file), time.monotonic()
        done, told_s = 0, begin_s
        while done < frames and time.monotonic() - begin_s < limit_s:
            time.sleep(sample_s)
            before = sources(service)
            levels, after = Levels.of(service.process.pid), sources(service)
            done, reconnects = total(after, "frames"), total(after, "reconnects")
            quiet = all(source["up"] for source in (*before, *after)) and reconnects == total(before, "reconnects")
            log.add(Sample(time.monotonic() - begin_s, done, reconnects, quiet, levels))
            if time.monotonic() > told_s + 30:
                told_s = time.monotonic()
                print(f"{done:,} frames, {reconnects:,} reconnects, {levels.rss_mb:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
