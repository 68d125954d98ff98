"""What a camera shows before and after it was moved to the side."""

from __future__ import annotations

import cv2
import numpy as np
from mjpeg_server import jpeg
from scenes import scene

WIDTH, HEIGHT, MOVED = 320, 240, 24
REGIONS = [{"name": "left", "roi": "32,48,96,96"}, {"name": "right", "roi": "0.5,0.2,0.4,0.4"}]


def view(dx: int) -> np.ndarray:
    """Boxes before clouds, moved to the right."""
    random, world = np.random.default_rng(3), scene(1, 480, HEIGHT)
    for _ in range(120):
        (x, y), (w, h) = random.integers(0, (480, HEIGHT)), random.integers(8, 50, 2)
        color = [int(c) for c in random.integers(20, 235, 3)]
        cv2.rectangle(world, (int(x), int(y)), (int(x + w), int(y + h)), color, -1)
    return world[:, 80 - dx : 80 - dx + WIDTH]


def frames(dx: int) -> list[bytes]:
    """The view with the noise of a sensor, so that it is not frozen."""
    random = np.random.default_rng(0)
    noisy = (np.clip(view(dx) + random.normal(0, 2, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8) for _ in range(8))
    return [jpeg(image) for image in noisy]
