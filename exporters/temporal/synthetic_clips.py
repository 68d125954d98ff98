"""Clips made by code: a bright shape that moves and grows over a gradient."""

from __future__ import annotations

import cv2
import numpy as np

from edgecnn.preprocess import Image
from edgecnn.runtime.golden.choice import synthetic_images

__all__ = ["synthetic_clips"]

_CLIPS, _STEPS = 4, 12


def synthetic_clips(height: int, width: int, seed: int = 0) -> list[Image]:
    """Clips, uint8 ``[T, height, width, 3]`` each, of different lengths.

    They contain no private images, are small as PNG, and are reproducible.
    """
    random = np.random.default_rng(seed)
    return [_clip(height, width, _STEPS - 2 * i, random) for i in range(_CLIPS)]


def _clip(height: int, width: int, steps: int, random: np.random.Generator) -> Image:
    background = synthetic_images(height, width, 1, int(random.integers(1 << 30)))[0]
    color = tuple(int(level) for level in random.integers(0, 256, 3))
    start, end = random.uniform(0.2, 0.8, 2), random.uniform(0.2, 0.8, 2)
    smallest, largest = random.uniform(0.06, 0.3, 2)
    sizes = np.geomspace(smallest, largest, steps)
    frames = []
    for place, size in zip(np.linspace(start, end, steps), sizes, strict=True):
        frame = background.copy()
        centre = round(place[0] * width), round(place[1] * height)
        axes = max(1, round(size * width)), max(1, round(size * height))
        frames.append(cv2.ellipse(frame, centre, axes, 0, 0, 360, color, -1))
    return np.stack(frames)
