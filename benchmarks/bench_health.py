#!/usr/bin/env python
"""How many unfit frames the health gates catch, and how many fit ones they refuse.

python benchmarks/bench_health.py FOLDER [--clips 60]

Clips are made of the folder's photographs: a window that wanders over each, 640 x 480 at 30 frames a second, with a
sensor's noise and JPEG.
The faults are put into them. Thresholds are the defaults, and those learnt from two seconds of the same clip before the
fault.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edgecnn.preprocess import Image
from edgecnn.runtime.frame_quality.calibration import learn_thresholds
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources import Frame

WIDTH, HEIGHT, FPS = 640, 480, 30
BEFORE = 60  # frames before the fault, from which limits are learnt
FAULTY = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    images = sorted(p for p in asked.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = [images[i] for i in random.choice(len(images), min(asked.clips, len(images)), replace=False)]
    caught: dict[str, list[list[float]]] = {name: [[], []] for name in ("good", *FAULTS)}
    for path in chosen:
        noise = float(random.choice([0.5, 2, 5]))
        clip = list(wander(cv2.imread(str(path)), BEFORE + FAULTY, noise, random))
        limits = FrameQualityThresholds(), learn_thresholds(frames_of(clip[:BEFORE])).thresholds
        for name in caught:
            shown = clip[BEFORE:] if name == "good" else FAULTS[name](clip, random)
            for i, thresholds in enumerate(limits):
                caught[name][i].append(refused(clip[:BEFORE], shown, thresholds, name))
    table = Table(title=f"{len(chosen)} clips, share of the frames refused", title_justify="left")
    for column in ("frames", "default limits", "learnt limits"):
        table.add_column(column, justify="left" if column == "frames" else "right")
    for name, both in caught.items():
        table.add_row(name, *(f"{statistics.mean(found):.2%}" for found in both))
    Console().print(table)
    print_cost(clip[0])


def wander(image: Image, count: int, noise: float, random: np.random.Generator) -> Iterator[Image]:
    """Frames of a window that moves as a hand or a slow scene does."""
    large = cv2.resize(image, (800, 600), interpolation=cv2.INTER_AREA)
    phase = random.uniform(0, 6, 2)
    for i in range(count):
        x = int(80 + 79 * math.sin(phase[0] + i / 15))
        y = int(60 + 59 * math.sin(phase[1] + i / 22))
        yield camera(large[y : y + HEIGHT, x : x + WIDTH], noise, random)


def camera(scene: Image, noise: float, random: np.random.Generator) -> Image:
    # Demosaicing spreads it over two pixels
    small = random.normal(0, noise, (HEIGHT // 2, WIDTH // 2, 3)).astype(np.float32)
    grain = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    noisy = np.clip(scene + grain, 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)


def black(_clip: list[Image], random: np.random.Generator) -> list[Image]:
    return [camera(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 2, random) for _ in range(FAULTY)]


def overexposed(clip: list[Image], _random: np.random.Generator) -> list[Image]:
    return [np.clip(c.astype(np.int16) * 4 + 180, 0, 255).astype(np.uint8) for c in clip[BEFORE:]]


def blurred(clip: list[Image], random: np.random.Generator) -> list[Image]:
    """A lens far out of focus; the sensor's noise stays."""
    return [camera(cv2.GaussianBlur(c, (0, 0), 12), 2, random) for c in clip[BEFORE:]]


def frozen(clip: list[Image], _random: np.random.Generator) -> list[Image]:
    return [clip[BEFORE - 1]] * FAULTY


def frozen_encoded(clip: list[Image], _random: np.random.Generator) -> list[Image]:
    """The last image again and again, encoded anew at qualities that change a little."""
    last = clip[BEFORE - 1]
    return [
        cv2.imdecode(cv2.imencode(".jpg", last, [cv2.IMWRITE_JPEG_QUALITY, 90 + i % 2])[1], cv2.IMREAD_COLOR)
        for i in range(FAULTY)
    ]


def half_missing(clip: list[Image], random: np.random.Generator) -> list[Image]:
    """A JPEG cut short: the decoder fills up with grey."""
    return [torn_at(c, int(random.integers(HEIGHT // 8, HEIGHT * 7 // 8)), np.full_like(c, 128)) for c in clip[BEFORE:]]


def shifted(clip: list[Image], random: np.random.Generator) -> list[Image]:
    """The lower part slips to one side, as where a decoder lost its place; every other frame is whole."""
    found = []
    for i, c in enumerate(clip[BEFORE:]):
        if i % 2:
            found.append(
                torn_at(
                    c,
                    int(random.integers(HEIGHT // 8, HEIGHT * 7 // 8)),
                    np.roll(c, int(random.integers(120, 400)), axis=1),
                )
            )
        else:
            found.append(c)
    return found


def torn_at(upper: Image, row: int, lower: Image) -> Image:
    return np.concatenate([upper[:row], lower[row:]])


def too_old(clip: list[Image], _random: np.random.Generator) -> list[Image]:
    return clip[BEFORE:]


FAULTS: dict[str, Callable[[list[Image], np.random.Generator], list[Image]]] = {
    "black": black,
    "overexposed": overexposed,
    "blurred": blurred,
    "frozen": frozen,
    "frozen, encoded anew": frozen_encoded,
    "lower part missing": half_missing,
    "lower part shifted": shifted,
    "too old": too_old,
}


def frames_of(images: list[Image], start_s: float = 0.0) -> Iterator[Frame]:
    for i, image in enumerate(images):
        yield Frame(image, "clip", i, captured_monotonic_s=start_s + i / FPS, kind="stream")


def refused(before: list[Image], shown: list[Image], thresholds: FrameQualityThresholds, name: str) -> float:
    """Share of the shown frames that are refused.

    Of frozen ones after the time that a freeze may last, of shifted ones the shifted.
    """
    health = FrameQualityChecker(replace(thresholds, still_s=0.3) if name.startswith("frozen") else thresholds)
    for frame in frames_of(before):
        health.check(frame, now_s=frame.captured_monotonic_s)
    late_s = 3.0 if name == "too old" else 0.02
    found = [
        health.check(frame, now_s=frame.captured_monotonic_s + late_s) for frame in frames_of(shown, len(before) / FPS)
    ]
    due = found[10:] if name.startswith("frozen") else found[1::2] if name == "lower part shifted" else found
    return sum(reason is not None for reason in due) / len(due)


def print_cost(image: Image) -> None:
    """Against the resize that every frame needs."""
    cv2.setNumThreads(1)
    health = FrameQualityChecker()
    for size in ((640, 480), (1920, 1080)):
        frame = Frame(cv2.resize(image, size), "clip", kind="stream")
        checks, resizes = [], []
        for _ in range(300):
            start = time.perf_counter()
            health.check(frame, now_s=frame.captured_monotonic_s)
            middle = time.perf_counter()
            cv2.resize(frame.image, (224, 224), interpolation=cv2.INTER_AREA)
            checks.append(middle - start)
            resizes.append(time.perf_counter() - middle)
        print(
            f"{size[0]} x {size[1]}: check {1e3 * statistics.median(checks):.3f} ms, resize "
            f"{1e3 * statistics.median(resizes):.3f} ms"
        )


if __name__ == "__main__":
    main()
