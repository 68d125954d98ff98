"""Images made by code of classes that the tiny models were not trained on: dark and light grounds, stripes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

GROUNDS = {"dark": (10, 90), "light": (165, 245)}


def write_grounds(root: Path, count: int, first_seed: int = 0) -> Path:
    """Two classes that the tiny network was not trained on: shapes on a dark and on a light ground.

    The clouds tell them apart: without, a search for copies takes longer than all the rest of a teaching.
    """
    for label, (low, high) in GROUNDS.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for seed in range(first_seed, first_seed + count):
            random = np.random.default_rng((low, seed))
            ground = random.uniform(low, high) + random.normal(0, 6, (48, 48, 3))
            clouds = cv2.resize(random.normal(0, 25, (8, 8, 3)), (48, 48), interpolation=cv2.INTER_CUBIC)
            image = np.clip(ground + clouds, 0, 255).astype(np.uint8)
            x, y, radius = (int(v) for v in random.integers(8, 40, 3))
            cv2.circle(image, (x, y), radius // 3, tuple(int(c) for c in random.integers(0, 256, 3)), -1)
            cv2.imwrite(str(root / label / f"{seed:04d}.png"), image)
    return root


def write_stripes(root: Path, count: int, first_seed: int = 0) -> Path:
    """A third class: stripes of any angle and colour."""
    (root / "stripes").mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + count):
        random = np.random.default_rng((9, seed))
        angle, width = random.uniform(0, np.pi), random.uniform(3, 6)
        y, x = np.mgrid[:48, :48]
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) / width * np.pi) > 0
        image = np.where(wave[..., None], random.integers(180, 256, 3), random.integers(0, 60, 3))
        cv2.imwrite(str(root / "stripes" / f"{seed:04d}.png"), image.astype(np.uint8))
    return root
