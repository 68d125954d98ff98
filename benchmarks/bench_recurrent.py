#!/usr/bin/env python
"""What a recurrent head costs: the step file against the CNN's own file, and predict on a video of 30 frames a second.

python benchmarks/bench_recurrent.py [--rounds 300] [--videos 5] [--model efficientnet_lite0] [--imgsz 224]

The weights are random, since time does not depend on them. Calls alternate, one thread each; medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from edgecnn import Classifier
from edgecnn.manifest import TemporalKind, TemporalSpec
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.temporal.clip_backend import ClipBackend
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape
from edgecnn.training.torch_backend import TorchBackend
from exporters import export_onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from untrained import untrained
from video_files import write_video

LABELS = tuple(f"class {k}" for k in range(10))
FPS, FRAMES = 30, 600


def write_files(folder: Path, name: str, side: int) -> dict[str, Path]:
    """The CNN's own file, and the step files of both kinds, which take a step at every frame."""
    files = {}
    for kind in (None, "gru", "lstm"):
        original = untrained(name, side, LABELS)
        files[kind or "cnn"] = path = folder / f"{kind or 'cnn'}.onnx"
        export_onnx(original if kind is None else recurrent(original, kind), path)
    return files


def recurrent(original: TorchBackend, kind: TemporalKind) -> ClipBackend:
    """The same CNN with a recurrent head."""
    spec = original.manifest.input
    shape = embedding_shape(original.network, (spec.height, spec.width))
    network = ClipClassifier(original.network, shape, kind, len(LABELS)).eval()
    temporal = TemporalSpec(kind, network.state_size, 1, 1 / FPS, (1, 100))
    return ClipBackend(network, original.manifest.replace(temporal=temporal))


def step_times(files: dict[str, Path], rounds: int) -> dict[str, float]:
    """Median milliseconds of a frame in the session, calls in turn."""
    sessions = {name: open_session(path, "cpu", 1) for name, path in files.items()}
    height = sessions["cnn"].manifest.input.height
    row = np.random.default_rng(0).integers(0, 256, (1, height, height, 3), np.uint8)
    states = {name: session.start(1) for name, session in sessions.items() if name != "cnn"}
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, session in sessions.items():
            begin = time.perf_counter()
            if name == "cnn":
                session.answers(row)
            else:
                session.step(row, states[name])
            times[name].append((time.perf_counter() - begin) * 1e3)
    return {name: statistics.median(found[len(found) // 10 :]) for name, found in times.items()}


def video_times(files: dict[str, Path], video: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of `predict` on the video, runs in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in files}
    classifiers = {name: Classifier(path, ep="cpu", threads=1) for name, path in files.items()}
    for _ in range(rounds):
        for name, classifier in classifiers.items():
            begin = time.perf_counter(), time.process_time()
            ran = sum(answer.latency_ms.inference is not None for _, answer in classifier.stream(video, health=None))
            assert ran == FRAMES, f"the network ran on {ran} of {FRAMES} frames"
            times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return {
        name: (statistics.median(t[0] for t in found), statistics.median(t[1] for t in found))
        for name, found in times.items()
    }


def write_clip(path: Path) -> Path:
    """640 x 480, an image that moves."""
    random = np.random.default_rng(0)
    ground = cv2.resize(random.integers(60, 200, (70, 90, 3), np.uint8), (720, 560), interpolation=cv2.INTER_NEAREST)
    places = [(round(40 + 40 * np.sin(k / 20)), round(40 + 40 * np.cos(k / 30))) for k in range(FRAMES)]
    return write_video(path, [ground[y : y + 480, x : x + 640] for x, y in places], fps=FPS)


def main() -> None:
    """Writes the files and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--videos", type=int, default=5)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--imgsz", type=int, default=224)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), options.model, options.imgsz)
        found = step_times(files, options.rounds)
        print(f"{options.model}, {options.imgsz} pixels, float, one thread: {found['cnn']:.2f} ms a frame")
        for kind in ("gru", "lstm"):
            print(f"{kind}: {found[kind]:.2f} ms, {found[kind] / found['cnn']:.3f} of the CNN")
        if options.videos:
            times = video_times(files, write_clip(Path(folder) / "video.mp4"), options.videos)
            for kind in ("gru", "lstm"):
                wall, cpu = (times["cnn"][k] / times[kind][k] for k in (0, 1))
                print(f"{kind}: predict gives {wall:.3f} of the CNN's frames a second, {cpu:.3f} by processor time")


if __name__ == "__main__":
    main()
