"""What the service costs beside `edgecnn predict` on the same source: decisions a second, memory, price of a page.

    python benchmarks/bench_serve.py model.onnx --rounds 5 --seconds 10

Rounds of both programs in turn. The page is a client that asks for the live image ten times a second and reads the
events, as the page's script does; it runs in a process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FIRST_S = 3.0  # until both programs have opened the model and the source


@dataclass(frozen=True)
class Round:
    """One run of a program."""

    decisions_per_s: float
    memory_mb: float  # resident set of the program's own process, its capture processes not counted
    core_share: float  # processor time of that process per second, in cores


def cpu_s(pid: int) -> float:
    """Processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident set of a process in MB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) / 1024


def predict_round(model: str, source: str, seconds: float) -> Round:
    """`edgecnn predict` on the source."""
    command = [sys.executable, "-m", "edgecnn", "predict", model, source, "--format", "jsonl"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    count = 0

    def read() -> None:
        nonlocal count
        assert process.stdout is not None
        for _ in process.stdout:
            count += 1

    threading.Thread(target=read, daemon=True).start()
    time.sleep(_FIRST_S)
    before, begun_s, cpu_before_s = count, time.monotonic(), cpu_s(process.pid)
    time.sleep(seconds)
    took_s = time.monotonic() - begun_s
    found = Round((count - before) / took_s, memory_mb(process.pid), (cpu_s(process.pid) - cpu_before_s) / took_s)
    process.terminate()
    process.wait()
    return found


def serve_round(
    model: str, sources: list[str], seconds: float, *, page: bool, rates: list[float] | None = None
) -> Round:
    """`edgecnn serve` on the sources, with or without a page. ``rates`` gets the decisions a second of each source."""
    command = [sys.executable, "-m", "edgecnn", "serve", model, *sources, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = ""
    for line in process.stderr:
        if match := re.search(r"live page: (http://\S+)/", line):
            url = match[1]
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    client = None
    if page:
        client = subprocess.Popen([sys.executable, __file__, "--page", url])
    time.sleep(_FIRST_S)
    before, begun_s, cpu_before_s = frames(url), time.monotonic(), cpu_s(process.pid)
    time.sleep(seconds)
    took_s = time.monotonic() - begun_s
    after = frames(url)
    each = [(now - then) / took_s for now, then in zip(after, before, strict=True)]
    if rates is not None:
        rates += each
    found = Round(sum(each), memory_mb(process.pid), (cpu_s(process.pid) - cpu_before_s) / took_s)
    if client is not None:
        client.kill()
        client.wait()
    process.terminate()
    process.wait()
    return found


def frames(url: str) -> list[int]:
    """Frames that each source has decided on."""
    with urllib.request.urlopen(f"{url}/api/state") as answer:
        return [source["frames"] for source in json.load(answer)["sources"]]


def be_a_page(url: str, fps: float = 10.0) -> None:
    """Asks for the live image and reads the events, until it is killed."""

    def events() -> None:
        with urllib.request.urlopen(f"{url}/api/events") as answer:
            while answer.read1(65536):
                pass

    threading.Thread(target=events, daemon=True).start()
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    after = "0"
    with suppress(OSError):
        while True:
            begun_s = time.monotonic()
            connection.request("GET", f"/api/sources/camera/image?after={after}")
            answer = connection.getresponse()
            answer.read()
            after = answer.headers.get("X-Frame", after)
            time.sleep(max(0.0, begun_s + 1 / fps - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--source", default="fake:640x480@200")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--page", metavar="URL", help="be a page of that service (used by this program itself)")
    o = parser.parse_args()
    if o.page:
        be_a_page(o.page)
        return
    found: dict[str, list[Round]] = {"predict": [], "serve": [], "serve, one page": []}
    for number in range(o.rounds):
        found["predict"].append(predict_round(o.model, o.source, o.seconds))
        found["serve"].append(serve_round(o.model, [o.source], o.seconds, page=False))
        found["serve, one page"].append(serve_round(o.model, [o.source], o.seconds, page=True))
        for name, rounds in found.items():
            r = rounds[-1]
            print(
                f"{number} {name}: {r.decisions_per_s:.1f}/s, {r.memory_mb:.0f} MB, {r.core_share:.2f} cores",
                flush=True,
            )
    for name in ("serve", "serve, one page"):
        for what in ("decisions_per_s", "memory_mb", "core_share"):
            ratios = [
                getattr(now, what) / getattr(base, what)
                for now, base in zip(found[name], found["predict"], strict=True)
            ]
            print(
                f"{name}: {what} {statistics.median(ratios):.3f}x of predict ({min(ratios):.3f} to {max(ratios):.3f})"
            )


if __name__ == "__main__":
    main()
