#!/usr/bin/env python
"""What the runner costs beside the network, and what it survives.

python benchmarks/bench_runner.py frame MODEL...            # a frame in memory to a prediction, against session.run and
one cv2.resize
python benchmarks/bench_runner.py cold MODEL IMAGE        # edgecnn predict as a process, against a bare script
python benchmarks/bench_runner.py folder MODEL [FOLDER]     # 12-megapixel JPEGs, against imread, resize, run
python benchmarks/bench_runner.py age [--seconds 600]       # 30 fps and a slower network: how old a frame is when it is
decided on
python benchmarks/bench_runner.py disconnects [--count 100] # of five kinds, through a real server
python benchmarks/bench_runner.py soak MODEL [--frames 50000]

Everything is timed in one run, the ways in turn, by medians. Models take the image stretched, as those that `edgecnn
train` makes do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from edgecnn import Classifier, Frame
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources import LiveOptions, LiveSource, parse_address
from edgecnn.runtime.sources.drivers.fake import FakeCamera, draw_frame
from edgecnn.runtime.streaming.source_pipeline import SourcePipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from mjpeg_server import mjpeg_camera

INTERPOLATION = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST_EXACT,
}


def main() -> None:
    """Runs one measurement and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(MEASUREMENTS))
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--every", type=int, default=1_000, help="soak: a reconnect every so many frames")
    asked = parser.parse_args()
    MEASUREMENTS[asked.what](asked)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*map(str, row))
    Console(width=140).print(table)


def interleaved(ways: dict[str, Callable[[], object]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Milliseconds of each way, the median of ``rounds`` in turn of ``calls`` each, whose first way changes.

    The first tenth warms up.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds + rounds // 10):
        for name, way in sorted(ways.items(), reverse=i % 2 == 1):
            for _ in range(calls):
                start = time.perf_counter()
                way()
                if i >= rounds // 10:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


def bare_session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def measure_frame(asked: argparse.Namespace) -> None:
    """One thread; health gates included, as for every frame of a camera.

    In rounds of 20 frames, since a device runs one of the two ways and not both: each has a session of its own, which
    takes the other's weights
    and code out of the caches. How that is, frame by frame in turn, is told too.
    """
    cv2.setNumThreads(1)
    rows = []
    for model in asked.files:
        for calls in (20, 1):
            times = interleaved(frame_ways(model), -(-asked.rounds // calls), calls)
            told = f"{times['bare']:.3f}", f"{times['ours']:.3f}", f"{times['ours'] / times['bare']:.3f}x"
            rows.append((model.name, "rounds of 20" if calls > 1 else "in turn", *told))
    columns = "model", "frames", "resize and run", "health and classifier", "ratio"
    print_table("a 640 x 480 frame in memory to a prediction, one thread, ms", columns, rows)


def frame_ways(model: Path) -> dict[str, Callable[[], object]]:
    random = np.random.default_rng(0)
    images = [draw_frame(FakeCamera(), 10 * i, random) for i in range(8)]
    turn = count()
    classifier = Classifier(model, ep="cpu", threads=1)
    session, size = bare_session(model, 1), classifier.manifest.input
    interpolation = INTERPOLATION[classifier.manifest.preprocess.interpolation]
    backend = SourcePipeline(classifier, FrameQualityThresholds(), None)

    def bare() -> object:
        resized = cv2.resize(images[next(turn) % 8], (size.width, size.height), interpolation=interpolation)
        return session.run(["probabilities"], {"image": resized[None]})

    def ours() -> object:
        index = next(turn)
        frame = Frame(images[index % 8], "camera", index, kind="stream")
        prediction, _ = backend.frame(frame)
        assert prediction.top, prediction.reason
        return prediction

    return {"bare": bare, "ours": ours}


BARE_SCRIPT = """
import sys, json, numpy as np, cv2, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
_, height, width, _ = session.get_inputs()[0].shape
resized = cv2.resize(cv2.imread(sys.argv[2]), (width, height), interpolation=cv2.INTER_AREA)
image = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
probabilities = session.run(["probabilities"], {"image": image[None]})[0][0]
print(labels[int(probabilities.argmax())], probabilities.max())
"""


def run_process(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds, seconds of processor, and megabytes (the most its memory ever was) of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def measure_cold(asked: argparse.Namespace) -> None:
    model, image = map(str, asked.files)
    program = Path(sys.executable).parent / "edgecnn"
    seen: dict[str, list[tuple[float, float, float]]] = {
        "bare script": [],
        "edgecnn, known model": [],
        "edgecnn, first sight": [],
    }
    with tempfile.TemporaryDirectory() as cache:
        known = {**os.environ, "EDGECNN_CACHE": cache}
        run_process([str(program), "predict", model, image], known)
        for i in range(max(5, asked.rounds // 40)):
            fresh = {**os.environ, "EDGECNN_CACHE": f"{cache}/{i}"}
            seen["bare script"].append(run_process([sys.executable, "-c", BARE_SCRIPT, model, image], known))
            seen["edgecnn, known model"].append(run_process([str(program), "predict", model, image], known))
            seen["edgecnn, first sight"].append(run_process([str(program), "predict", model, image], fresh))
    medians = {name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in seen.items()}
    bare = medians["bare script"]
    rows = [
        (name, *(cell for x, b in zip(found, bare, strict=True) for cell in (f"{x:.4g}", f"{x / b:.2f}x")))
        for name, found in medians.items()
    ]
    print_table(
        "a process that classifies one image", ("way", "seconds", "", "seconds of processor", "", "MB", ""), rows
    )


def make_large_images(folder: Path, count: int = 24) -> None:
    """JPEGs of 4000 x 3000 pixels with a photograph's detail."""
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (4000, 3000), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        image += cv2.resize(
            random.integers(-30, 31, (750, 1000, 3)).astype(np.int16), (4000, 3000), interpolation=cv2.INTER_LINEAR
        )
        cv2.imwrite(
            str(folder / f"{i:03d}.jpg"), np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )


def measure_folder(asked: argparse.Namespace) -> None:
    """Both on all cores; the plain loop leaves threads to OpenCV and onnxruntime, as its writer would."""
    model = asked.files[0]
    with tempfile.TemporaryDirectory() as work:
        folder = asked.files[1] if len(asked.files) > 1 else Path(work)
        if len(asked.files) < 2:
            make_large_images(folder)
        paths = sorted(folder.glob("*.jpg"))
        classifier = Classifier(model, ep="cpu", threshold=0.0)
        spec, size = classifier.manifest.preprocess, classifier.manifest.input
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

        def plain() -> list[int]:
            found = []
            for path in paths:
                resized = cv2.resize(
                    cv2.imread(str(path)), (size.width, size.height), interpolation=INTERPOLATION[spec.interpolation]
                )
                image = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
                found.append(int(session.run(["probabilities"], {"image": image[None]})[0][0].argmax()))
            return found

        def ours() -> list[int]:
            return [classifier.labels.index(p.top[0].label) for _, p in classifier.stream(folder)]

        equal = sum(a == b for a, b in zip(plain(), ours(), strict=True)) / len(paths)
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(max(3, asked.rounds // 120)):
            for name, way in (("plain", plain), ("ours", ours)):
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
        rate = {name: len(paths) / statistics.median(found) for name, found in seconds.items()}
    peak = (
        int(next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")).split()[1])
        / 1e3
    )
    rows = [
        ("imread, resize, run", f"{rate['plain']:.2f}", ""),
        ("edgecnn", f"{rate['ours']:.2f}", f"{rate['ours'] / rate['plain']:.2f}x"),
    ]
    print_table(f"{len(paths)} JPEGs, {equal:.1%} equal labels, {peak:.0f} MB at most", ("way", "images/s", ""), rows)


def measure_age(asked: argparse.Namespace) -> None:
    """A network of 50 ms (slept, so that it is the same everywhere) behind a camera of 30 frames a second."""
    ages: list[float] = []
    inference_s, interval_s = 0.05, 1 / 30
    with LiveSource(parse_address("fake:640x480@30")) as source:
        next(source)
        end = time.monotonic() + asked.seconds
        while time.monotonic() < end:
            frame = next(source)
            time.sleep(inference_s)
            ages.append(time.monotonic() - frame.captured_monotonic_s)
        counters = source.counters
    tenth = max(1, len(ages) // 10)
    bound = inference_s + interval_s
    rows = [
        ("all", len(ages), *(f"{1e3 * np.percentile(ages, p):.1f}" for p in (50, 95, 99, 100))),
        ("first tenth", tenth, *(f"{1e3 * np.percentile(ages[:tenth], p):.1f}" for p in (50, 95, 99, 100))),
        ("last tenth", tenth, *(f"{1e3 * np.percentile(ages[-tenth:], p):.1f}" for p in (50, 95, 99, 100))),
    ]
    print_table(
        f"age of a frame when it is decided on, ms; one interval and inference are {1e3 * bound:.1f}",
        ("", "frames", "p50", "p95", "p99", "max"),
        rows,
    )
    print(f"{sum(age < bound for age in ages) / len(ages):.4f} of them below; {counters}")


def measure_disconnects(asked: argparse.Namespace) -> None:
    """The server fails, is mended after a second, and must be answered from within ten."""
    kinds = ("fin", "reset", "stall", "404", "closed")
    back: dict[str, list[float]] = {kind: [] for kind in kinds}
    with mjpeg_camera(30.0) as camera, LiveSource(parse_address(camera.url), LiveOptions()) as source:
        next(source)
        for i in range(asked.count):
            kind, outages = kinds[i % len(kinds)], source.counters.outages
            camera.set_fault(kind)
            time.sleep(1.0 if kind != "stall" else 6.0)
            source.take()
            camera.set_fault(None)
            mended = time.monotonic()
            frame = next(source)
            while frame.captured_monotonic_s < mended:
                frame = next(source)
            back[kind].append(time.monotonic() - mended)
            assert source.counters.outages == outages + 1, f"{kind} went unnoticed"
        counters = source.counters
    rows = [
        (kind, len(found), f"{statistics.median(found):.2f}", f"{max(found):.2f}")
        for kind, found in back.items()
        if found
    ]
    survived = sum(t < 10 for found in back.values() for t in found)
    print_table(
        f"{survived} of {asked.count} disconnects survived: seconds from the source's return to a frame",
        ("kind", "times", "median", "most"),
        rows,
    )
    print(counters)


def measure_soak(asked: argparse.Namespace) -> None:
    """Frames as fast as they come, from a camera that breaks off again and again, through the classifier's stream.

    `benchmarks/soak` has the service, which reads its cameras without this stream.
    """
    classifier = Classifier(asked.files[0], ep="cpu", threads=1)
    live = LiveOptions(first_wait_s=0.05)
    rows, frames = [], 0
    with classifier.stream(f"fake:320x240@500,outage={asked.every}", live=live) as stream:
        for frame, _ in stream:
            frames += frame is not None
            if frame is not None and frames % (asked.frames // 10) == 0:
                rows.append((frames, *levels()))
            if frames >= asked.frames:
                break
        counters = next(iter(stream.counters.values()))
    print_table("soak", ("frames", "resident MB", "threads", "descriptors", "children"), rows)
    growth = float(rows[-1][1]) - float(rows[1][1])
    print(f"resident memory after {rows[1][0]} frames and at the end: {growth:+.1f} MB; {counters}")


def levels() -> tuple[str, int, int, int]:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    children = sum(len((task / "children").read_text().split()) for task in Path("/proc/self/task").iterdir())
    return f"{resident:.1f}", threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), children


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "age": measure_age,
    "cold": measure_cold,
    "disconnects": measure_disconnects,
    "folder": measure_folder,
    "frame": measure_frame,
    "soak": measure_soak,
}

if __name__ == "__main__":
    main()
