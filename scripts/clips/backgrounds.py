"""Backgrounds of made clips: photographs of a folder, or drawn by code."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["MARGIN", "background", "photographs"]

MARGIN = 0.12
"""How far a background reaches beyond the frame on each side, as a fraction of the frame, for the camera's shake."""

Random = np.random.Generator
Image = NDArray[np.uint8]
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def photographs(folder: Path) -> list[Path]:
    """All image files below the folder, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def background(random: Random, side: int, photograph: Path | None) -> Image:
    """Makes a background: RGB, uint8 ``[S, S, 3]`` with ``S = side * (1 + 2 * MARGIN)``.

    Raises:
        ValueError: the photograph cannot be read.
    """
    size = round(side * (1 + 2 * MARGIN))
    image = _drawn(random, size) if photograph is None else _cut(random, photograph, size)
    return image[:, ::-1] if random.random() < 0.5 else image


def _cut(random: Random, path: Path, size: int) -> Image:
    """A square of the photograph, scaled."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path}: not an image that OpenCV reads; remove it from the folder of backgrounds")
    height, width = bgr.shape[:2]
    cut = max(1, int(min(height, width) * random.uniform(0.6, 1)))
    top, left = int(random.integers(height - cut + 1)), int(random.integers(width - cut + 1))
    square = bgr[top : top + cut, left : left + cut]
    scaled = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if cut > size else cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB), np.uint8)


def _drawn(random: Random, size: int) -> Image:
    """Draws a background: coarse and fine clouds, and a few rectangles and ellipses."""
    image = np.full((size, size, 3), random.uniform(60, 190, 3), np.float32)
    for cells, strength in ((2, 70), (6, 40), (24, 18)):
        rough = random.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC)
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(3, 12))):
        x, y = (int(v) for v in random.integers(-size // 8, size, 2))
        width, height = (int(v) for v in random.integers(size // 20, size // 3, 2))
        color = [float(v) for v in random.uniform(0, 255, 3)]
        if random.random() < 0.5:
            cv2.rectangle(canvas, (x, y), (x + width, y + height), color, -1)
        else:
            cv2.ellipse(canvas, (x, y), (width // 2, height // 2), random.uniform(0, 180), 0, 360, color, -1)
    return cv2.GaussianBlur(canvas, (3, 3), 0).astype(np.uint8)
