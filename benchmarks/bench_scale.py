"""`predict --engine ray` against itself with one worker, against `predict`, and its driver's memory.

    python benchmarks/bench_scale.py make images --count 20000
    python benchmarks/bench_scale.py workers model.onnx images
    python benchmarks/bench_scale.py overhead model.onnx images
    python benchmarks/bench_scale.py growth model.onnx images --counts 1000 10000 100000
    python benchmarks/bench_scale.py memory tests/models/tiny.onnx

`workers` compares the images a second of one worker and of two on the first images of the folder; the rate counts from
the first worker's start. `overhead` compares the processor time of all processes of each command, start and end of Ray
among them. `growth` shows what whole runs cost as images grow, with one worker and with two. `memory` lists made-up
paths in a dry run, which tries 16 of them and finds none.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from scenes import scene

_MARK = "EDGECNN_BENCH_RUN"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    wall_s: float
    cpu_s: float  # of it and of every process that it started, sampled five times a second
    peak_mb: float  # largest resident set of the command's own process


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("data", type=Path)
    make.add_argument("--count", type=int, default=20_000)
    make.add_argument("--different", type=int, default=400)
    for name in ("workers", "overhead"):
        one = commands.add_parser(name)
        one.add_argument("model")
        one.add_argument("data", type=Path)
        one.add_argument("--images", type=int, default=4000 if name == "workers" else 20_000)
        one.add_argument("--rounds", type=int, default=3 if name == "workers" else 1)
    growing = commands.add_parser("growth")
    growing.add_argument("model")
    growing.add_argument("data", type=Path)
    growing.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    commands.add_parser("memory").add_argument("model")
    o = parser.parse_args()
    if o.command == "make":
        write_images(o.data, o.count, o.different)
    elif o.command == "memory":
        memory(o.model)
    elif o.command == "growth":
        growth(o.model, images_of(o.data, max(o.counts)), o.counts)
    else:
        (workers if o.command == "workers" else overhead)(o.model, images_of(o.data, o.images), o.rounds)


def images_of(folder: Path, count: int) -> list[str]:
    """The first `count` images of the folder by name."""
    paths = sorted(map(str, folder.glob("*.jpg")))[:count]
    assert len(paths) == count, f"{len(paths)} images; make more"
    return paths


def write_images(folder: Path, count: int, different: int) -> None:
    """JPEGs of 640 x 480; beyond `different` ones, hard links to them."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if number < different:
            cv2.imwrite(str(path), scene(number, 640, 480), [cv2.IMWRITE_JPEG_QUALITY, 90])
        else:
            path.hardlink_to(folder / f"{number % different:06d}.jpg")


def workers(model: str, paths: Sequence[str], rounds: int) -> None:
    """One worker and two, in turn."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, found in rates.items():
            with tempfile.TemporaryDirectory() as folder:
                steady = steady_rate(model, paths, count, Path(folder))
            found.append(steady)
            print(f"{count} workers: {steady:.1f} images/s", flush=True)
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"two workers: {statistics.median(ratios):.2f}x one ({min(ratios):.2f} to {max(ratios):.2f})")


def steady_rate(model: str, paths: Sequence[str], count: int, folder: Path) -> float:
    """Images a second from the moment when every worker has answered its first shard, until the last shard."""
    written = ray(model, paths, folder, "--workers", str(count), "--shard-size", "100")[1]
    times = sorted(path.stat().st_mtime for path in written.glob("*.parquet"))
    return 100 * (len(times) - count) / (times[-1] - times[count - 1])


def growth(model: str, paths: Sequence[str], counts: Sequence[int]) -> None:
    """Time, processor time, the driver's memory and the files of whole runs, start and end of Ray included."""
    for count in counts:
        for number in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                cost, written = ray(model, paths[:count], Path(folder), "--workers", str(number))
                files = sorted(written.glob("*.parquet"))
                megabytes = sum(path.stat().st_size for path in files) / 2**20
            print(f"{count} images, {number} workers: {cost}, {len(files)} files, {megabytes:.2f} MB", flush=True)


def ray(model: str, paths: Sequence[str], folder: Path, *more: str) -> tuple[Cost, Path]:
    """Runs the engine; its cost and the folder of its Parquet files."""
    (folder / "list.txt").write_text("\n".join(paths))
    out = folder / "out"
    cost = measured("predict", model, str(folder / "list.txt"), "--engine", "ray", "--out", str(out), *more)
    assert json.loads((out / "summary.json").read_text())["images"] == len(paths)
    return cost, out / "predictions"


def overhead(model: str, paths: Sequence[str], rounds: int) -> None:
    """Processor time of both engines on the same folder of links."""
    ratios = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=Path(paths[0]).parent.parent) as name:
            folder = Path(name)
            (folder / "images").mkdir()
            for path in paths:
                (folder / "images" / Path(path).name).hardlink_to(path)
            images = str(folder / "images")
            local = measured("predict", model, images, "--format", "jsonl")
            print(f"predict: {local}", flush=True)
            on_ray = measured("predict", model, images, "--engine", "ray", "--out", str(folder / "out"))
            print(f"--engine ray: {on_ray}", flush=True)
        ratios.append(on_ray.cpu_s / local.cpu_s)
    print(f"processor time: {statistics.median(ratios):.3f}x ({min(ratios):.3f} to {max(ratios):.3f})")


def memory(model: str) -> None:
    """Largest resident set of a driver over lists of made-up paths."""
    peaks = {}
    for count in (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "list.txt"
            with listed.open("w") as file:
                file.writelines(f"/data/made-up/camera-{i % 97:02d}/2026-11-29/{i:012d}.jpg\n" for i in range(count))
            cost = measured("predict", model, str(listed), "--engine", "ray", "--out", folder + "/out", "--dry-run")
        peaks[count] = cost.peak_mb
        print(f"{count} paths: {cost}", flush=True)
    bytes_each = (peaks[1_000_000] - peaks[10_000]) * 2**20 / 990_000
    print(f"{bytes_each:.0f} bytes a path of 51 characters")


def measured(*arguments: str) -> Cost:
    """Runs `edgecnn` and adds up the processor time of all processes that have its mark in their environment."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecnn", *arguments],
        env={**os.environ, _MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    spent: dict[str, float] = {}
    peak_mb = 0.0
    while process.poll() is None:
        sample(mark, spent)
        peak_mb = max(peak_mb, peak_of(process.pid))
        time.sleep(0.2)
    wall_s = time.perf_counter() - start
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read()
    return Cost(wall_s, sum(spent.values()), peak_mb)


def sample(mark: str, spent: dict[str, float]) -> None:
    """Updates the processor time in seconds of each process with the mark, by its number and start."""
    wanted = f"{_MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted in (folder / "environ").read_bytes():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                spent[f"{folder.name} {fields[19]}"] = (int(fields[11]) + int(fields[12])) * _TICK_S
        except OSError:  # it has ended, or is somebody else's
            continue


def peak_of(pid: int) -> float:
    """VmHWM in MB; 0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
