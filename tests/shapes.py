"""Images made by code: circles and squares, in any number and size, without torch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

CLASSES = ("circle", "square")


def shape_image(name: str, seed: int, side: int = 48) -> np.ndarray:
    """uint8 [side, side, 3], BGR: one shape in one colour on a noisy ground."""
    random = np.random.default_rng((CLASSES.index(name), seed))
    image = random.integers(90, 130, (side, side, 3)).astype(np.uint8)
    color = tuple(
        int(c) for c in np.where(random.random(3) < 0.5, random.integers(0, 60, 3), random.integers(180, 256, 3))
    )
    x, y = (int(v) for v in random.integers(side * 2 // 5, side * 3 // 5, 2))
    r = int(random.integers(side // 5, side // 3))
    if name == "circle":
        cv2.circle(image, (x, y), r, color, -1)
    else:
        cv2.rectangle(image, (x - r, y - r), (x + r, y + r), color, -1)
    return image


def write_shapes(root: Path, count: int, side: int = 48, first_seed: int = 0) -> Path:
    """`count` PNGs a class below `root`."""
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
        for seed in range(first_seed, first_seed + count):
            cv2.imwrite(str(root / name / f"{seed:04d}.png"), shape_image(name, seed, side))
    return root
