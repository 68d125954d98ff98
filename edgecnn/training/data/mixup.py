"""mixup and CutMix: two images of a batch become one, and so do their targets."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.training.data.augment import Augmentation

__all__ = ["mix"]


def mix(
    images: Image, targets: NDArray[np.float32], rule: Augmentation, random: np.random.Generator
) -> tuple[Image, NDArray[np.float32]]:
    """Mixes each image with another of the batch: uint8 ``[N, H, W, 3]`` and float ``[N, C]``, both as given.

    The mixing weight is one a batch, as in both papers (arXiv 1710.09412, 1905.04899).
    """
    if len(images) < 2 or not (rule.mixup or rule.cutmix):
        return images, targets
    partners = random.permutation(len(images))
    cut = bool(rule.cutmix) and (not rule.mixup or random.random() < 0.5)
    alpha = rule.cutmix if cut else rule.mixup
    share = float(random.beta(alpha, alpha))  # of the image itself
    if cut:
        mixed, share = _cut(images, partners, share, random)
    else:
        mixed = cv2.addWeighted(images.reshape(-1), share, images[partners].reshape(-1), 1 - share, 0).reshape(
            images.shape
        )  # type: ignore[assignment]
    return mixed, (share * targets + (1 - share) * targets[partners]).astype(np.float32)


def _cut(images: Image, partners: NDArray[np.int64], share: float, random: np.random.Generator) -> tuple[Image, float]:
    """A rectangle of the partner laid over each image; returns the share of the image that is left, to the pixel."""
    height, width = images.shape[1:3]
    side = math.sqrt(1 - share)
    y, x = int(random.integers(height)), int(random.integers(width))
    tall, wide = round(height * side / 2), round(width * side / 2)
    top, bottom, left, right = max(0, y - tall), min(height, y + tall), max(0, x - wide), min(width, x + wide)
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = images[partners, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
