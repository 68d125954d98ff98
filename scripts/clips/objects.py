"""Objects drawn by code: a shape with a texture, and in it a hole that opens and closes."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDE", "MadeObject", "make_object", "picture"]

SIDE = 80
"""Side of an object's image, in pixels."""

Random = np.random.Generator
Pixels = NDArray[np.float32]
_FINER = 4  # polygons are drawn at so many times the resolution, for smooth edges
_UNLIT = 0.4  # factor on the colours of an object whose light is off


@dataclass(frozen=True)
class MadeObject:
    """An object.

    Args:
        surface: RGB, float32 ``[SIDE, SIDE, 3]``, 0 to 255.
        mask: how much of a pixel the object covers, 0 to 1, float32 ``[SIDE, SIDE]``.
        inside: the colour seen through the hole, RGB, nearly black.
        angle: of the hole, in degrees.
        width: of the hole, as a fraction of the image.
        sliding: where the hole opens from: -1 or 1 an edge, 0 its middle.
        rounded: whether the hole is an ellipse.
    """

    surface: Pixels
    mask: Pixels
    inside: tuple[float, float, float]
    angle: float
    width: float
    sliding: int
    rounded: bool


def make_object(random: Random) -> MadeObject:
    """An object of random shape, texture, colours and hole."""
    surface = _texture(random, _vivid(random))
    rounded = bool(random.random() < 0.5)
    return MadeObject(
        surface=surface,
        mask=_shape(random),
        inside=(random.uniform(0, 30), random.uniform(0, 30), random.uniform(0, 30)),
        angle=random.uniform(-90, 90),
        width=random.uniform(0.52, 0.62),
        sliding=0 if rounded else int(random.integers(-1, 2)),
        rounded=rounded,
    )


def picture(thing: MadeObject, opening: float, *, lit: bool) -> tuple[Pixels, Pixels]:
    """Draws an object: RGB, float32 ``[SIDE, SIDE, 3]``, and how much of each pixel it covers, ``[SIDE, SIDE]``."""
    hole = _hole(thing, opening)[..., None]
    color = thing.surface * (1 - hole) + np.array(thing.inside, np.float32) * hole
    return color * np.float32(1 if lit else _UNLIT), thing.mask


def _hole(thing: MadeObject, opening: float) -> Pixels:
    """How much of each pixel is hole, float32 ``[SIDE, SIDE]``."""
    half = thing.width * SIDE / 2
    height = 2 * half * opening
    middle = thing.sliding * (half - height / 2)
    if thing.rounded:
        t = np.linspace(0, 2 * np.pi, 40)
        points = np.stack([half * np.cos(t), height / 2 * np.sin(t)], 1)
    else:
        points = np.array([[-half, -1], [half, -1], [half, 1], [-half, 1]]) * (1, height / 2) + (0, middle)
    return _filled(_turned(points, thing.angle) + SIDE / 2)


def _shape(random: Random) -> Pixels:
    make = (_polygon, _star, _blob, _box)[int(random.integers(4))]
    return _filled(_turned(make(random) * SIDE / 2, random.uniform(0, 360)) + SIDE / 2)


def _polygon(random: Random) -> NDArray[np.float64]:
    return _around(np.full(int(random.integers(5, 9)), 0.98))


def _star(random: Random) -> NDArray[np.float64]:
    return _around(np.tile([0.98, random.uniform(0.72, 0.85)], int(random.integers(5, 12))))


def _blob(random: Random) -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = sum(random.uniform(0, 0.08) * np.cos(n * t + random.uniform(0, 6)) for n in (2, 3, 4))
    return _around(np.clip(0.85 + waves, 0.72, 0.98))


def _box(random: Random) -> NDArray[np.float64]:
    aspect = random.uniform(0.8, 1)
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (0.9, 0.9 * aspect)


def _around(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.stack([radii * np.cos(t), radii * np.sin(t)], 1)


def _texture(random: Random, color: tuple[float, float, float]) -> Pixels:
    """A plain, striped, dotted or cloudy surface, in two similar colours."""
    other = np.array(color, np.float32) * np.float32(random.uniform(0.6, 0.85))
    kinds: tuple[Callable[[Random], Pixels], ...] = (_plain, _stripes, _dots, _clouds)
    weight = kinds[int(random.integers(4))](random)[..., None]
    return (np.array(color, np.float32) * (1 - weight) + other * weight).astype(np.float32)


def _plain(_random: Random) -> Pixels:
    return np.zeros((SIDE, SIDE), np.float32)


def _stripes(random: Random) -> Pixels:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    angle = random.uniform(0, np.pi)
    return (np.sin((x * np.cos(angle) + y * np.sin(angle)) * random.uniform(0.4, 0.9)) > 0).astype(np.float32)


def _dots(random: Random) -> Pixels:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) * random.uniform(0.4, 0.9)
    return (np.sin(x) * np.sin(y) > 0.3).astype(np.float32)


def _clouds(random: Random) -> Pixels:
    rough = random.uniform(0, 1, (8, 8)).astype(np.float32)
    return np.clip(cv2.resize(rough, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)


def _vivid(random: Random) -> tuple[float, float, float]:
    """A bright, saturated colour of any hue."""
    red, green, blue = colorsys.hsv_to_rgb(random.uniform(), random.uniform(0.55, 1), random.uniform(200, 255))
    return red, green, blue


def _turned(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    angle = np.radians(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _filled(points: NDArray[np.float64]) -> Pixels:
    """A polygon of pixel coordinates ``[N, 2]`` with smooth edges, float32 ``[SIDE, SIDE]``."""
    canvas = np.zeros((SIDE * _FINER, SIDE * _FINER), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * _FINER).astype(np.int32)], 255)
    return cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
