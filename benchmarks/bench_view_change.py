#!/usr/bin/env python
"""How many moved, turned and covered cameras the view check finds, and its false alarms where nothing changed.

python benchmarks/bench_view_change.py [FOLDER] [--scenes 100]

Each scene is a photograph of the folder, 1600 x 1200; without a folder, one that is made (tests/scenes.py). A camera
of 640 x 480 shows its middle, with noise, changing exposure and JPEG. A reference is learned from 20 frames in which
people pass, made of cut-outs of another photograph. Frames come twice a second, as often as the check compares them.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edgecnn.preprocess import ColorOrder, Image
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_check import ViewCheck, learned_reference
from edgecnn.runtime.frame_quality.view_reference import ViewLearner

WIDTH, HEIGHT = 640, 480
LEARNT, WATCHED, QUIET = 20, 12, 60  # frames: to learn from, after a change, without one
Random: TypeAlias = np.random.Generator
GRAIN = cv2.resize(  # demosaicing spreads a sensor's noise over two pixels
    np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32),
    (2 * WIDTH, 2 * HEIGHT),
    interpolation=cv2.INTER_NEAREST,
)


@dataclass(frozen=True)
class Place:
    """A scene and the objects that pass before it."""

    world: Image  # [H, W, 3], larger than the frame
    objects: Image


Shot: TypeAlias = Callable[[Place, int, Random], Image]  # a frame: of a place, by its number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    random = np.random.default_rng(asked.seed)
    worlds = list(made(asked.scenes) if asked.folder is None else photographs(asked.folder, asked.scenes, random))
    places = [Place(world, view(worlds[i - 1])) for i, world in enumerate(worlds)]
    checks = [(place, *learned(place, random)) for place in places]
    usable = [(place, *both) for place, *both in checks if both[0] is not None]
    print(f"{platform.processor() or platform.machine()}: {len(usable)} of {len(places)} scenes give a reference")
    table = Table(title="a camera that was moved, turned or covered", title_justify="left")
    for column in ("change", "found", "median error"):
        table.add_column(column, justify="left" if column == "change" else "right")
    for name, (shot, truth) in CHANGES.items():
        found = [changed(place, limits, shot, truth, random) for place, limits, _ in usable]
        errors = [error for _, error in found if error is not None]
        shown = f"{statistics.median(errors):.1f}" if errors else "–"
        table.add_row(name, f"{statistics.mean(alarm for alarm, _ in found):.1%}", shown)
    Console().print(table)
    table = Table(title=f"a camera that stands still, {QUIET / 2:.0f} s each", title_justify="left")
    for column in ("what happens", "scenes with an alarm", "single comparisons"):
        table.add_column(column, justify="left" if column == "what happens" else "right")
    for name, shot in QUIETLY.items():
        found = [quiet(place, limits, shot, random) for place, limits, _ in usable]
        table.add_row(name, *(f"{statistics.mean(part):.1%}" for part in zip(*found, strict=True)))
    found = [quiet(place, both, by_night, random) for place, _, both in usable if both is not None]
    table.add_row("night, with a reference by night", *(f"{statistics.mean(p):.1%}" for p in zip(*found, strict=True)))
    Console().print(table)
    print_cost(usable[0][0], usable[0][1], random)


def photographs(folder: Path, count: int, random: Random) -> Iterator[Image]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for i in random.choice(len(paths), min(count, len(paths)), replace=False):
        image = cv2.imread(str(paths[i]))
        scale = max(1600 / image.shape[1], 1200 / image.shape[0])
        yield cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def made(count: int) -> Iterator[Image]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from scenes import scene  # noqa: PLC0415  # of the tests

    for seed in range(count):
        yield scene(seed, 1600, 1200)


def view(world: Image, dx: float = 0, dy: float = 0, turned: float = 0) -> Image:
    """The middle of a scene, moved by pixels to the right and down and turned clockwise by degrees."""
    x, y = world.shape[1] / 2, world.shape[0] / 2
    transform = cv2.getRotationMatrix2D((x, y), -turned, 1.0)
    transform[:, 2] += (WIDTH / 2 - x + dx, HEIGHT / 2 - y + dy)
    return cv2.warpAffine(world, transform, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def camera(image: Image, random: Random, noise: float = 3.0, gain: float | None = None, quality: int = 80) -> Image:
    """With an exposure, a sensor's noise and JPEG."""
    factor = random.uniform(0.8, 1.2) if gain is None else gain
    y, x = random.integers(0, HEIGHT), random.integers(0, WIDTH)
    grain = GRAIN[y : y + HEIGHT, x : x + WIDTH]
    noisy = cv2.addWeighted(image.astype(np.float32), factor, grain, noise, 0)
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def with_people(image: Image, place: Place, share: float, number: int) -> Image:
    """Three upright shapes that walk through the frame and cover ``share`` of it together."""
    seen = image.copy()
    height = int(HEIGHT * 0.9)
    width = min(WIDTH // 3, int(share * WIDTH * HEIGHT / 3 / height))
    for i in range(3):
        centre = WIDTH * ((i + 0.5) / 3 + 0.12 * math.sin(0.9 * number + 2 * i))
        left = int(np.clip(centre - width / 2, 0, WIDTH - width))
        seen[HEIGHT - height :, left : left + width] = place.objects[:height, left : left + width]
    return seen


def lit(image: Image, number: int, strength: float = 0.5) -> Image:
    """The sun goes on: a ramp of light over the frame, and the edge of a shadow that wanders."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    angle = number / 20
    ramp = math.cos(angle) * (columns / WIDTH - 0.5) + math.sin(angle) * (rows / HEIGHT - 0.5)
    light = 1 + strength * ramp
    light[columns + rows / 2 < WIDTH * (number % QUIET) / QUIET] *= 1 - strength
    return np.clip(image * light[..., None], 0, 255).astype(np.uint8)


def moved(share: float) -> tuple[Shot, tuple[float, float, float]]:
    dx, dy = share * WIDTH, share * WIDTH / 8
    return (lambda place, _, random: camera(view(place.world, dx, dy), random)), (dx, dy, 0.0)


def turned(degrees: float) -> tuple[Shot, tuple[float, float, float]]:
    return (lambda place, _, random: camera(view(place.world, turned=degrees), random)), (0.0, 0.0, degrees)


def moved_behind_people(place: Place, number: int, random: Random) -> Image:
    return camera(with_people(view(place.world, 64, 16), place, 0.3, number), random)


def covered(level: int) -> Shot:
    return lambda _, __, random: camera(np.full((HEIGHT, WIDTH, 3), level, np.uint8), random, gain=1.0)


def hand(place: Place, _: int, random: Random) -> Image:
    return camera(cv2.GaussianBlur(place.objects, (0, 0), 40), random, gain=0.6)


def covered_part(share: float) -> Shot:
    def shot(place: Place, _: int, random: Random) -> Image:
        seen = view(place.world)
        seen[:, : int(share * WIDTH)] = (60, 70, 80)
        return camera(seen, random)

    return shot


def another(place: Place, _: int, random: Random) -> Image:
    return camera(place.objects, random)


def by_night(place: Place, _: int, random: Random) -> Image:
    """A fifth of the light, and a lamp on the right."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    lamp = np.exp(-((columns - 480) ** 2 + (rows - 120) ** 2) / 2 / 90**2)
    return camera(np.clip(view(place.world) * (0.15 + lamp)[..., None], 0, 255), random, noise=6.0, gain=1.0)


_SHARES, _DEGREES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), (2, 5, 10, 20, 30)
CHANGES: dict[str, tuple[Shot, tuple[float, float, float] | None]] = {
    **{f"moved by {share:.0%} of the width": moved(share) for share in _SHARES},
    "moved by 10 %, people before 30 %": (moved_behind_people, (64, 16, 0)),
    **{f"turned by {degrees} degrees": turned(degrees) for degrees in _DEGREES},
    "covered: dark grey": (covered(50), None),
    "covered: light grey": (covered(150), None),
    "covered: out of focus": (hand, None),
    "covered: 80 %": (covered_part(0.8), None),
    "covered: 60 %": (covered_part(0.6), None),
    "another scene": (another, None),
}
QUIETLY: dict[str, Shot] = {
    "nothing": lambda place, _, random: camera(view(place.world), random),
    "much noise, JPEG quality 40": lambda place, _, random: camera(view(place.world), random, noise=8, quality=40),
    "people before 20 %": lambda place, n, random: camera(with_people(view(place.world), place, 0.2, n), random),
    "people before 40 %": lambda place, n, random: camera(with_people(view(place.world), place, 0.4, n), random),
    "people before 60 %": lambda place, n, random: camera(with_people(view(place.world), place, 0.6, n), random),
    "exposure 0.3 to 1.8": lambda place, _, random: camera(view(place.world), random, gain=random.uniform(0.3, 1.8)),
    "sun and shadow": lambda place, n, random: camera(lit(view(place.world), n), random),
    "the same, people before 30 %": lambda place, n, random: camera(
        lit(with_people(view(place.world), place, 0.3, n), n), random
    ),
    "trembling by 0.5 % of the width": lambda place, _, random: camera(
        view(place.world, *random.uniform(-3.2, 3.2, 2)), random
    ),
    "night, with a reference by day alone": by_night,
}


class CountingCheck(ViewCheck):
    """Counts the comparisons that by themselves tell a change."""

    single = 0

    def compare(self, image: Image, color: ColorOrder = "bgr") -> str | None:
        """As the base class."""
        reason = super().compare(image, color)
        self.single += reason is not None
        return reason


def learned(place: Place, random: Random) -> tuple[FrameQualityThresholds | None, FrameQualityThresholds | None]:
    """Thresholds with a reference by day, and with one by night too; None where there is none."""
    shots: tuple[Shot, Shot] = (
        lambda p, n, r: camera(with_people(view(p.world), p, 0.15, n), r),
        by_night,
    )
    texts = []
    for shot in shots:
        learner = ViewLearner()
        for number in range(LEARNT):
            learner.add(shot(place, number, random))
        texts.append(learned_reference(learner, FrameQualityThresholds()))
    if texts[0] is None:
        return None, None
    both = [text for text in texts if text is not None]
    return FrameQualityThresholds(references=(texts[0],)), FrameQualityThresholds(references=tuple(both))


def changed(
    place: Place, limits: FrameQualityThresholds, shot: Shot, truth: tuple[float, float, float] | None, random: Random
) -> tuple[bool, float | None]:
    """Whether the change is told after 6 s, and the error of the shift in pixels, or of the angle in degrees."""
    check = ViewCheck(limits)
    reason = None
    for number in range(WATCHED):
        reason = check.check(shot(place, number, random), "bgr", number / 2)
    if truth is None or check.shift is None:
        return reason is not None, None
    dx, dy, angle = truth
    shift = check.shift
    error = abs(shift.angle_degrees - angle) if angle else math.hypot(shift.dx_px - dx, shift.dy_px - dy)
    return reason is not None, error


def quiet(place: Place, limits: FrameQualityThresholds, shot: Shot, random: Random) -> tuple[bool, float]:
    """Whether there was an alarm, and the share of the frames that by themselves would give one."""
    check = CountingCheck(limits)
    alarms = sum(check.check(shot(place, number, random), "bgr", number / 2) is not None for number in range(QUIET))
    return alarms > 0, check.single / QUIET


def print_cost(place: Place, limits: FrameQualityThresholds, random: Random) -> None:
    """Of a comparison, where the view is found and where it is lost."""
    shown = {"as the reference": view(place.world), "people before 40 %": with_people(view(place.world), place, 0.4, 3)}
    shown |= {"moved by 10 %": view(place.world, 64), "another scene": place.objects}
    for name, seen in shown.items():
        for width, height in ((WIDTH, HEIGHT), (1920, 1440)):
            check, image = ViewCheck(limits), cv2.resize(camera(seen, random), (width, height))
            taken = []
            for _ in range(40):
                start = time.process_time()
                check.compare(image)
                taken.append(time.process_time() - start)
            ms = 1e3 * statistics.median(taken)
            print(f"{width} x {height}, {name}: {ms:.2f} ms a comparison, {ms * 2 / 30:.3f} ms a frame at 30 frames/s")


if __name__ == "__main__":
    main()
