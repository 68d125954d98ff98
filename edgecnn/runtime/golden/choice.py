"""Chooses golden samples: images that detect wrong results."""

from __future__ import annotations

import cv2
import numpy as np

from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.runtime.golden.golden_jpeg import GoldenJpeg, make_golden_jpeg
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["SAMPLES", "TOLERANCE", "choose", "jpeg_for", "synthetic_images"]

SAMPLES = 4
_CANDIDATES = 24

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 5e-2, "mixed": 5e-2}
"""Largest difference of a probability between devices.

Float kernels sum in other orders (1e-5 seen), int8 ones round a step a layer.
"""


def choose(model: ModelSession, candidates: Image, precision: str) -> GoldenSamples:
    """Chooses images with uncertain and different predictions.

    A probability of 1.000 often stays 1.000 in a wrong model.

    Args:
        model: gives the expected probabilities and unknown scores.
        candidates: uint8 ``[N, H, W, 3]`` RGB of the model's size.
        precision: sets the tolerance.
    """
    found = model.outputs(candidates, ("unknown_score",))
    probabilities, scores = found.probabilities, found.unknown_scores
    order = np.argsort(probabilities.max(1), kind="stable")
    first_of_class = {int(probabilities[i].argmax()): i for i in reversed(order)}
    kept = sorted(first_of_class.values(), key=lambda i: float(probabilities[i].max()))[:SAMPLES]
    kept += [i for i in order if i not in kept][: SAMPLES - len(kept)]
    return GoldenSamples(
        candidates[kept],
        probabilities[kept],
        TOLERANCE[precision],
        None if scores is None else scores[kept],
        jpeg=jpeg_for(model.manifest),
    )


def jpeg_for(manifest: Manifest) -> GoldenJpeg | None:
    """The golden JPEG of a model that sees JPEGs decoded smaller; None for others."""
    return make_golden_jpeg() if manifest.preprocess.decode == "scaled" else None


def synthetic_images(height: int, width: int, count: int = _CANDIDATES, seed: int = 0) -> Image:
    """Gradients with a few shapes.

    They contain no private images, are small as PNG, and are reproducible. uint8 ``[count, height, width, 3]``.
    """
    random = np.random.default_rng(seed)
    return np.stack([_synthetic(height, width, random) for _ in range(count)])


def _synthetic(height: int, width: int, random: np.random.Generator) -> Image:
    corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    image = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(random.integers(2, 7))):
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        x, y = int(random.integers(width)), int(random.integers(height))
        w, h = int(random.integers(2, max(3, width // 2))), int(random.integers(2, max(3, height // 2)))
        if random.random() < 0.5:
            cv2.rectangle(image, (x, y), (x + w, y + h), color, -1)
        else:
            cv2.ellipse(image, (x, y), (w // 2 + 1, h // 2 + 1), float(random.integers(180)), 0, 360, color, -1)
    return image  # type: ignore[return-value]
