"""Draws cats and dogs, a folder each: images for docs/how-it-learns.md that belong to nobody.

    python scripts/draw_cats_and_dogs.py drawings --count 300

What tells the two apart is what a child would draw: pointed ears, slit pupils and whiskers against hanging ears, a
muzzle and a tongue. Colour,
place, size, tilt, background and light say nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 150  # pixels, the input of the classic network
_FINER = 4  # drawn so much larger, then averaged down: smooth edges

Random = np.random.Generator
ImageFile = NDArray[np.uint8]
Color = tuple[int, int, int]


class Head:
    """A canvas whose unit is the head's radius and whose origin is the head's middle, y downwards."""

    def __init__(self, random: Random) -> None:
        self._canvas = _background(random)
        side = self._canvas.shape[0]
        self._radius = side * random.uniform(0.2, 0.28)
        self._middle = side * random.uniform(0.42, 0.58, 2)
        angle = np.radians(random.uniform(-18, 18))
        self._turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self.fur = _color(random, 70, 235)
        self.shade = tuple(int(c * 0.7) for c in self.fur)

    def shape(self, points: NDArray[np.float64], color: Color) -> None:
        """A filled polygon ``[N, 2]``."""
        cv2.fillPoly(self._canvas, [self._pixels(points)], color)

    def oval(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """A filled ellipse by its middle and half axes."""
        t = np.linspace(0, 2 * np.pi, 60)
        self.shape(np.stack([x + width * np.cos(t), y + height * np.sin(t)], 1), color)

    def line(self, points: NDArray[np.float64], color: Color, width: float) -> None:
        """A line ``[N, 2]``."""
        cv2.polylines(
            self._canvas,
            [self._pixels(points)],
            isClosed=False,
            color=color,
            thickness=max(1, round(width * self._radius)),
        )

    def finish(self, random: Random) -> ImageFile:
        """The image, uint8 ``[SIDE, SIDE, 3]`` RGB, with some noise of a sensor."""
        small = cv2.resize(self._canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        noisy = small + random.normal(0, 5, small.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    def _pixels(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        return np.round(points @ self._turn.T * self._radius + self._middle).astype(np.int32)


def cat(random: Random) -> ImageFile:
    """Pointed ears, slit pupils, a small nose, whiskers."""
    head = Head(random)
    point = random.uniform(1.45, 1.75)
    for side in (-1, 1):
        ear = np.array([[0.95, -0.25], [0.85, -point], [0.15, -0.9]]) * (side, 1)
        head.shape(ear, head.fur)
        head.shape((ear - ear.mean(0)) * 0.55 + ear.mean(0), (214, 150, 150))
    head.oval(0, 0, 1.05, 0.95, head.fur)
    for side in (-1, 1):
        head.oval(0.42 * side, -0.15, 0.22, 0.2, _iris(random))
        head.oval(0.42 * side, -0.15, 0.06, 0.18, (15, 15, 15))
        for slope in (-0.12, 0.0, 0.12):
            head.line(np.array([[0.25, 0.4], [1.35, 0.35 + 2 * slope]]) * (side, 1), (240, 240, 240), 0.03)
    head.shape(np.array([[-0.12, 0.22], [0.12, 0.22], [0, 0.36]]), (190, 90, 100))
    head.line(np.array([[-0.25, 0.52], [-0.1, 0.58], [0, 0.4], [0.1, 0.58], [0.25, 0.52]]), (60, 30, 30), 0.04)
    return head.finish(random)


def dog(random: Random) -> ImageFile:
    """Hanging ears, round pupils, a muzzle, mostly a tongue."""
    head = Head(random)
    head.oval(0, 0, 0.95, 1.05, head.fur)
    low = random.uniform(0.15, 0.45)
    for side in (-1, 1):
        head.oval(0.98 * side, low, 0.32, 0.75, head.shade)
    if random.random() < 0.7:
        head.oval(0, 0.95, 0.2, 0.35, (220, 100, 110))
    head.oval(0, 0.48, 0.52, 0.42, tuple(min(255, c + 45) for c in head.fur))
    head.oval(0, 0.25, 0.2, 0.15, (25, 20, 20))
    for side in (-1, 1):
        head.oval(0.38 * side, -0.28, 0.16, 0.17, (245, 245, 240))
        head.oval(0.38 * side, -0.27, 0.11, 0.12, (50, 30, 15))
    head.line(np.array([[-0.3, 0.62], [0, 0.75], [0.3, 0.62]]), (50, 25, 25), 0.05)
    return head.finish(random)


def _background(random: Random) -> ImageFile:
    """A slope of light between two colours, with a few blots of other things."""
    side = SIDE * _FINER
    ramp = np.linspace(0, 1, side)[:, None, None]
    ground = (1 - ramp) * _color(random, 30, 230) + ramp * _color(random, 30, 230)
    canvas = np.ascontiguousarray(np.broadcast_to(ground, (side, side, 3))).astype(np.uint8)
    for _ in range(int(random.integers(0, 6))):
        x, y = (int(v) for v in random.integers(0, side, 2))
        corner = (x + int(random.integers(20, side // 3)), y + int(random.integers(20, side // 3)))
        if random.random() < 0.5:
            cv2.rectangle(canvas, (x, y), corner, _color(random, 30, 230), -1)
        else:
            cv2.circle(canvas, (x, y), (corner[0] - x) // 2, _color(random, 30, 230), -1)
    return canvas


def _color(random: Random, low: int, high: int) -> Color:
    red, green, blue = (int(v) for v in random.integers(low, high, 3))
    return red, green, blue


def _iris(random: Random) -> Color:
    return (200, 190, 60) if random.random() < 0.5 else (110, 190, 90)


KINDS: dict[str, Callable[[Random], ImageFile]] = {"cat": cat, "dog": dog}


def main() -> None:
    """Writes ``count`` PNGs a kind below the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300, help="images a kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for index, (name, draw) in enumerate(KINDS.items()):
        (options.folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(options.count):
            image = draw(np.random.default_rng((options.seed, index, number)))
            cv2.imwrite(str(options.folder / name / f"{number:04d}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    print(f"{options.count} images of each of {', '.join(KINDS)} in {options.folder}")


if __name__ == "__main__":
    main()
