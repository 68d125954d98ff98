#!/usr/bin/env python
"""Frames a second of a video of 1,000 frames: the project's reader against OpenCV's, in turn, with equal threads.

python benchmarks/bench_video.py [--rounds 5] [--threads 1]

OpenCV's reader is grab and retrieve alone; the project's also gives each frame's time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from edgecnn.runtime.sources import video
from edgecnn.runtime.sources.video import read_video

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from video_files import write_video

FRAMES = 1000


def by_opencv(path: Path, threads: int) -> int:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    count = 0
    while capture.grab():
        count += capture.retrieve()[0]
    return count


def by_edgecnn(path: Path, threads: int) -> int:
    with mock.patch.object(video, "allowed_threads", return_value=threads):
        return sum(1 for _ in read_video(str(path)))


def timed(read: Callable[[Path, int], int], path: Path, threads: int) -> tuple[float, float]:
    """Wall and processor time in seconds."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    assert read(path, threads) == FRAMES
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def main() -> None:
    """Writes the videos and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    ground = cv2.resize(random.integers(0, 255, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    images = [np.roll(ground, 3 * index, 1) for index in range(FRAMES)]
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in (("h264.mp4", "libx264"), ("mpeg4.mp4", "mpeg4"), ("mjpeg.avi", "mjpeg")):
            path = write_video(Path(folder) / name, images, codec)
            pairs = [
                (timed(by_opencv, path, options.threads), timed(by_edgecnn, path, options.threads))
                for _ in range(options.rounds)
            ]
            wall = statistics.median(o[0] / e[0] for o, e in pairs)
            cpu = statistics.median(o[1] / e[1] for o, e in pairs)
            rate = FRAMES / statistics.median(e[0] for _, e in pairs)
            print(f"{name}: {rate:.0f} frames/s; relative to OpenCV {wall:.3f} by the clock, {cpu:.3f} by CPU time")


if __name__ == "__main__":
    main()
