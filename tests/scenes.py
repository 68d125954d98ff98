"""Images like photographs, made by code.

Smoothed noise at several scales, so that any two are unlike; without torch.
"""

from __future__ import annotations

import cv2
import numpy as np


def scene(seed: int, width: int = 240, height: int = 200) -> np.ndarray:
    """uint8 [height, width, 3], BGR: coloured clouds whose power falls with frequency, and a few shapes."""
    random = np.random.default_rng((7, seed))
    image = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 24, 48):
        noise = random.normal(size=(cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * 90 / cells**0.8
    image = np.clip(128 + image, 0, 255).astype(np.uint8)
    for _ in range(4):
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        cv2.ellipse(
            image,
            (x, y),
            tuple(int(v) for v in random.integers(6, 40, 2)),
            float(random.integers(0, 180)),
            0,
            360,
            color,
            -1,
        )
    return image


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """As it comes back from a JPEG file."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def cropped(image: np.ndarray, top: float, bottom: float, left: float, right: float) -> np.ndarray:
    """Without these shares of its sides."""
    height, width = image.shape[:2]
    return image[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]
