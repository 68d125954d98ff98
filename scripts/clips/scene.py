"""The frames of a made clip: an object over a background, a camera that shakes, and light that changes."""

from __future__ import annotations

import cv2
import numpy as np
from backgrounds import MARGIN
from motion import LIMITS, Phases
from numpy.typing import NDArray
from objects import SIDE, MadeObject, picture

__all__ = ["render", "wander"]

Random = np.random.Generator
Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
_SHAKE = 0.01  # strength of the camera's shake, as a fraction of the frame's side
_LIGHT = 0.1  # strength of the light's change, as a fraction


def render(
    random: Random, side: int, thing: MadeObject, ground: Image, phases: Phases, times_s: Floats
) -> NDArray[np.uint8]:
    """RGB frames, uint8 ``[T, side, side, 3]``, of an object whose phases follow :mod:`motion`."""
    shake = np.stack([wander(random, times_s, _SHAKE * side) for _ in range(2)], 1)
    shake = np.clip(shake, -MARGIN * side * 0.9, MARGIN * side * 0.9)
    light = np.exp(wander(random, times_s, _LIGHT))
    tint = np.exp(random.normal(0, 0.05, 3))
    noise = random.uniform(1, 4)
    frames = np.empty((len(times_s), side, side, 3), np.uint8)
    for i in range(len(times_s)):
        image = _shifted(ground, shake[i], side)
        _place(image, thing, phases, i, shake[i])
        image *= np.float32(light[i] * tint)
        image += random.standard_normal(image.shape, np.float32) * np.float32(noise)
        frames[i] = np.clip(image, 0, 255)
    return frames


def wander(random: Random, times_s: Floats, deviation: float) -> Floats:
    """A smooth random curve, float ``[T]``: waves of several rates and phases, and a little jitter."""
    waves = [
        np.sin(2 * np.pi * (random.uniform(low, high) * times_s + random.uniform()))
        for low, high in ((0.2, 0.6), (0.6, 1.5), (1.5, 4))
    ]
    course = waves[0] + 0.6 * waves[1] + 0.3 * waves[2] + random.normal(0, 0.15, len(times_s))
    return np.asarray(course * deviation, np.float64)


def _shifted(ground: Image, shake: Floats, side: int) -> NDArray[np.float32]:
    margin = (ground.shape[0] - side) / 2
    matrix = np.array([[1, 0, shake[0] - margin], [0, 1, shake[1] - margin]], np.float64)
    return cv2.warpAffine(ground, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    )


def _place(image: NDArray[np.float32], thing: MadeObject, phases: Phases, i: int, shake: Floats) -> None:
    """Draws the object into the image, in place."""
    side = image.shape[0]
    color, mask = picture(thing, LIMITS["opening"].at(phases.opening[i]), lit=bool(phases.light[i] < 0.5))
    scale = LIMITS["size"].at(phases.size[i]) * side / SIDE
    x = LIMITS["x"].at(phases.x[i]) * side + shake[0] - scale * SIDE / 2
    y = LIMITS["y"].at(phases.y[i]) * side + shake[1] - scale * SIDE / 2
    matrix = np.array([[scale, 0, x], [0, scale, y]], np.float64)
    cover = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR)[..., None]
    image *= 1 - cover
    image += cv2.warpAffine(color * mask[..., None], matrix, (side, side), flags=cv2.INTER_LINEAR)
