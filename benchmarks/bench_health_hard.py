#!/usr/bin/env python
"""Hard cases for the health gates: fit clips that they tend to refuse, unfit ones that they tend to miss.

python benchmarks/bench_health_hard.py FOLDER [--images 8] [--seed 0]

Clips are made of the folder's photographs, 640 x 480 at 25 frames a second; `benchmarks/bench_health.py` has the plain
faults. Rows with H.264 need
`ffmpeg` with libx264 and are left out without it. Limits are the defaults, and those learnt from the fit clip (of an
unfit one: from its beginning).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edgecnn.errors import DataError
from edgecnn.preprocess import Image
from edgecnn.runtime.frame_quality.calibration import learn_thresholds
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources import Frame

WIDTH, HEIGHT, FPS = 640, 480, 25
LONG, SHORT = 350, 60  # frames: longer than `still_s`, and enough to learn from
FAULTY = 20
STILL_S = 3.0  # of the frozen clips, which would be long else
Random = np.random.Generator
Clip = list[Image]


class Sensor:
    """Adds a sensor's noise; one field of it, laid elsewhere each time, since drawing it anew takes longest."""

    def __init__(self, random: Random) -> None:
        self._random = random
        field = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT + 256, WIDTH + 256, 3)).astype(np.float32), (0, 0), 0.6)
        self._field = field / field.std()

    def __call__(self, scene: np.ndarray, noise: float) -> Image:
        """The scene, uint8 or float [H, W, 3], with noise of so many levels."""
        y, x = self._random.integers(0, 256, 2)
        grain = self._field[y : y + HEIGHT, x : x + WIDTH][
            :: self._random.choice((-1, 1)), :: self._random.choice((-1, 1))
        ]
        return np.clip(np.rint(scene + noise * grain), 0, 255).astype(np.uint8)


def jpeg(image: Image, quality: int = 85) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def h264(clip: Clip, crf: int, whole_every: int, *more: str) -> Clip:
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24")
    size = ("-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS))
    x264 = (
        "-c:v",
        "libx264",
        "-threads",
        "1",
        "-preset",
        "veryfast",
        "-crf",
        str(crf),
        "-g",
        str(whole_every),
        "-bf",
        "0",
        *more,
    )
    quiet = ("ffmpeg", "-v", "quiet", "-threads", "1")
    data = subprocess.run(
        [*quiet, *raw, *size, "-i", "-", *x264, "-f", "h264", "-"],
        input=b"".join(f.tobytes() for f in clip),
        stdout=subprocess.PIPE,
        check=True,
    )
    back = subprocess.run(
        [*quiet, "-f", "h264", "-i", "-", *raw, "-"], input=data.stdout, stdout=subprocess.PIPE, check=True
    )
    return list(np.frombuffer(back.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH, 3))


def large(photo: Image) -> Image:
    return cv2.resize(photo, (800, 600), interpolation=cv2.INTER_AREA if photo.shape[1] > 800 else cv2.INTER_LINEAR)


def wander(photo: Image, count: int, random: Random, speed: float = 1.0) -> Iterator[Image]:
    phase = random.uniform(0, 6, 2)
    for i in range(count):
        x, y = int(80 + 79 * np.sin(phase[0] + i / 15 * speed)), int(60 + 59 * np.sin(phase[1] + i / 22 * speed))
        yield photo[y : y + HEIGHT, x : x + WIDTH]


def still(photo: Image) -> np.ndarray:
    return photo[60 : 60 + HEIGHT, 80 : 80 + WIDTH].astype(np.float32)


def soft(photo: Image) -> Image:
    return cv2.resize(
        cv2.resize(photo, (200, 150), interpolation=cv2.INTER_AREA), (800, 600), interpolation=cv2.INTER_CUBIC
    )


def wall(photo: Image) -> np.ndarray:
    """The photograph's mean colour, with a lens's darker corners."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (
        photo.mean(axis=(0, 1))
        * (1 - 0.25 * ((x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2) / (WIDTH / 2) ** 2)[:, :, None]
    )


def barred(image: Image, *, level: bool) -> Image:
    bars = (slice(0, 60), slice(-60, None))
    framed = image.copy()
    for bar in bars:
        framed[bar if level else (slice(None), bar)] = 0
    return framed


def shutter(photo: Image, sensor: Sensor) -> Iterator[Image]:
    """A level edge that moves through a still scene, behind a lens."""
    for i in range(SHORT):
        scene = still(photo)
        scene[: 40 + 6 * i] = (200, 190, 180) if scene.mean() < 128 else (40, 50, 45)
        yield jpeg(sensor(cv2.GaussianBlur(scene, (0, 0), 0.8), 1.5))


def box(photo: Image, sensor: Sensor) -> Iterator[Image]:
    """A box with an image on it comes up from below, behind a lens."""
    thing = cv2.resize(cv2.flip(photo, 1), (460, 300))
    for i in range(SHORT):
        scene, y = still(photo), 470 - 7 * i
        scene[max(y, 0) : y + 300, 90:550] = thing[max(-y, 0) : min(300, HEIGHT - y)]
        yield jpeg(sensor(cv2.GaussianBlur(scene, (0, 0), 0.8), 1.5))


FIT: dict[str, Callable[[Image, Sensor, Random], Clip]] = {
    "a hand's movement": lambda p, s, r: [jpeg(s(w, 2)) for w in wander(p, SHORT, r)],
    "the same, fast": lambda p, s, r: [jpeg(s(w, 2)) for w in wander(p, SHORT, r, 5)],
    "the same, H.264": lambda p, s, r: h264([s(w, 2) for w in wander(p, 2 * SHORT, r)], 28, 50),
    "still, noise 0.5, JPEG": lambda p, s, r: [jpeg(s(still(p), 0.5)) for _ in range(LONG)],
    "still, noise 1.5, H.264, whole images every 10 s": lambda p, s, r: h264(
        [s(still(p), 1.5) for _ in range(LONG)], 28, 250
    ),
    "a night, levels 0 to 20": lambda p, s, r: [s(w * np.float32(0.08), 2) for w in wander(p, SHORT, r, 0.3)],
    "a night, levels 0 to 16": lambda p, s, r: [s(still(p) * 0.08 - 4, 1.5) for _ in range(LONG)],
    "infrared": lambda p, s, r: [
        jpeg(s(np.repeat(w.mean(axis=2, keepdims=True), 3, 2) * 0.4 + 60, 3)) for w in wander(p, SHORT, r, 0.5)
    ],
    "fog": lambda p, s, r: [
        jpeg(s(cv2.GaussianBlur(w, (0, 0), 1) * np.float32(0.15) + 170, 1.5)) for w in wander(p, SHORT, r, 0.5)
    ],
    "a wall": lambda p, s, r: [jpeg(s(wall(p), 1.5)) for _ in range(SHORT)],
    "a wall, H.264": lambda p, s, r: h264([s(wall(p), 1.5) for _ in range(2 * SHORT)], 28, 50),
    "bars above and below": lambda p, s, r: [jpeg(barred(s(w, 1), level=True)) for w in wander(p, SHORT, r)],
    "bars at the sides": lambda p, s, r: [jpeg(barred(s(w, 1), level=False)) for w in wander(p, SHORT, r)],
    "a camera of 200 x 150 pixels": lambda p, s, r: [jpeg(s(w, 1)) for w in wander(soft(p), SHORT, r)],
    "a shutter that comes down": lambda p, s, r: list(shutter(p, s)),
    "a box that comes up": lambda p, s, r: list(box(p, s)),
    "a lamp on and off": lambda p, s, r: [jpeg(s(still(p) * (1 if i % 20 < 10 else 0.4), 1.5)) for i in range(SHORT)],
}


def stamped(image: Image) -> Image:
    return cv2.putText(image.copy(), "2026-01-01 00:00:00", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)


def burnt_out(image: Image, at: int) -> np.ndarray:
    """97 % of it beyond what the sensor holds."""
    return np.minimum((image - np.float32(np.quantile(image.min(axis=2), 0.03))) * 4 + 260, at)


def slipped(image: Image, row: int, by: int) -> Image:
    return np.concatenate([image[:row], np.roll(image[row:], by, axis=1)])


def filled(image: Image, row: int, color: tuple[int, int, int] | Image) -> Image:
    torn = image.copy()
    torn[row:] = color
    return torn


def rows(random: Random) -> Iterator[int]:
    while True:
        yield int(random.uniform(0.15, 0.85) * HEIGHT)


def blurred(sigma: float) -> Callable[[Clip, Sensor, Random], Clip]:
    return lambda c, s, r: [jpeg(s(cv2.GaussianBlur(i, (0, 0), sigma), 2)) for i in c]


NONE = np.zeros((HEIGHT, WIDTH, 3), np.float32)
UNFIT: dict[str, Callable[[Clip, Sensor, Random], Clip]] = {
    "black, noise 6": lambda c, s, r: [jpeg(s(NONE + 2, 6)) for _ in c],
    "black at level 16": lambda c, s, r: [jpeg(s(NONE + 16, 1)) for _ in c],
    "black, with a time stamp": lambda c, s, r: [jpeg(stamped(s(NONE + 1, 2))) for _ in c],
    "overexposed": lambda c, s, r: [jpeg(s(burnt_out(i, 255), 2)) for i in c],
    "overexposed at level 235": lambda c, s, r: [jpeg(s(burnt_out(i, 235), 0.7)) for i in c],
    **{f"blurred, sigma {sigma}": blurred(sigma) for sigma in (4, 6, 8, 12)},
    "blurred, sigma 8, with a time stamp": lambda c, s, r: [jpeg(stamped(i)) for i in blurred(8)(c, s, r)],
    "moved across by 60": lambda c, s, r: [jpeg(s(cv2.blur(i, (60, 1)), 2)) for i in c],
    "moved down by 60": lambda c, s, r: [jpeg(s(cv2.blur(i, (1, 60)), 2)) for i in c],
    "torn: green below": lambda c, s, r: [filled(i, y, (0, 135, 0)) for i, y in zip(c, rows(r), strict=False)],
    "torn: grey below": lambda c, s, r: [filled(i, y, (128, 128, 128)) for i, y in zip(c, rows(r), strict=False)],
    "torn: black below": lambda c, s, r: [filled(i, y, (0, 0, 0)) for i, y in zip(c, rows(r), strict=False)],
    "torn: a row drawn out": lambda c, s, r: [filled(i, y, i[y - 1]) for i, y in zip(c, rows(r), strict=False)],
    "torn: slipped": lambda c, s, r: [
        slipped(i, y, int(r.integers(60, 400))) for i, y in zip(c, rows(r), strict=False)
    ],
    "torn: slipped, always at one row": lambda c, s, r: [slipped(i, 200, 130) for i in c],
    "torn: another instant below": lambda c, s, r: [
        np.concatenate([i[:y], o[y:]]) for i, o, y in zip(c, c[::-1], rows(r), strict=False) if i is not o
    ],
}
FROZEN: dict[str, Callable[[Image, Random], Clip]] = {
    "frozen, same bytes": lambda i, r: [i] * 150,
    "frozen, JPEG of quality 90, 91, 90 …": lambda i, r: [jpeg(i, 90 + k % 2) for k in range(150)],
    "frozen, H.264": lambda i, r: h264([i] * 150, 28, 50),
    "frozen, H.264, 300 kbit/s": lambda i, r: h264([i] * 150, 23, 25, "-maxrate", "300k", "-bufsize", "150k"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = sorted(p for p in asked.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = np.random.default_rng(asked.seed).choice(len(found), min(asked.images, len(found)), replace=False)
    photos = [large(cv2.imread(str(found[i]))) for i in chosen]
    table = Table(title=f"{len(photos)} photographs, share of the frames refused", title_justify="left")
    for column in ("frames", "number", "default limits", "learnt limits"):
        table.add_column(column, justify="left" if column == "frames" else "right")
    for name in (*FIT, *UNFIT, *FROZEN):
        if "H.264" in name and shutil.which("ffmpeg") is None:
            continue
        refused = np.array(
            [
                refusals(name, photo, np.random.default_rng((asked.seed, k, zlib.crc32(name.encode()))))
                for k, photo in enumerate(photos)
            ]
        )
        frames, default, learnt = refused.sum(axis=0)
        table.add_row(name, str(frames), f"{default / frames:.2%}", f"{learnt / frames:.2%}")
    Console(width=110).print(table)


def refusals(name: str, photo: Image, random: Random) -> tuple[int, int, int]:
    """Frames that are evaluated, and how many of them the default and the learnt limits refuse."""
    sensor = Sensor(random)
    if name in FIT:
        own = FIT[name](photo, sensor, random)
        clip, first = own, 0
    else:
        own = [jpeg(sensor(w, 2)) for w in wander(photo, 2 * FAULTY, random)]
        follows = (
            UNFIT[name]([jpeg(sensor(w, 2)) for w in wander(photo, FAULTY, random)], sensor, random)
            if name in UNFIT
            else FROZEN[name](own[-1], random)
        )
        clip, first = own + follows, len(own) + (int((STILL_S + 0.4) * FPS) if name in FROZEN else 0)
    try:
        learnt = learn_thresholds(shown(own)).thresholds
    except DataError:
        learnt = FrameQualityThresholds()
    counts = []
    for limits in (FrameQualityThresholds(), learnt):
        health = FrameQualityChecker(replace(limits, still_s=STILL_S) if name in FROZEN else limits)
        reasons = [health.check(frame, now_s=frame.captured_monotonic_s) for frame in shown(clip)]
        counts.append(sum(reason is not None for reason in reasons[first:]))
    return len(clip) - first, counts[0], counts[1]


def shown(clip: Clip) -> Iterator[Frame]:
    for i, image in enumerate(clip):
        yield Frame(image, "clip", i, captured_monotonic_s=i / FPS, kind="stream")


if __name__ == "__main__":
    main()
