"""Folders that are too large; each takes seconds."""

from __future__ import annotations

import cv2
import numpy as np

from harms.place import Place, large, png


@large
def thousands_of_classes(place: Place) -> None:
    _noise_classes(place, 3000)


@large
def hundreds_of_classes(place: Place) -> None:
    _noise_classes(place, 300)


def _noise_classes(place: Place, count: int) -> None:
    random = np.random.default_rng(1)
    for i in range(count):
        (place.data / f"c{i}").mkdir()
        for k in range(5):
            (place.data / f"c{i}" / f"{k}.png").write_bytes(png(random.integers(0, 256, (32, 32, 3)).astype(np.uint8)))


@large
def thousands_of_near_copies(place: Place) -> None:
    path, folder = place.an_image(), place.a_class()
    image = cv2.imread(str(path)).astype(np.int16)
    for i in range(3000):
        changed = np.clip(image + i % 60 - 30 + np.eye(*image.shape[:2], dtype=np.int16)[..., None] * (i // 60), 0, 255)
        cv2.imwrite(str(folder / f"near{i}.png"), changed.astype(np.uint8))


@large
def largest_images(place: Place) -> None:
    content = png(np.full((8000, 8000, 3), 99, np.uint8))
    for i in range(6):
        (place.a_class() / f"large{i}.png").write_bytes(content + bytes([i]))


@large
def too_large_images(place: Place) -> None:
    content = png(np.full((9000, 9000, 3), 99, np.uint8))
    for i in range(6):
        (place.a_class() / f"large{i}.png").write_bytes(content + bytes([i]))
