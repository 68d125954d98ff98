"""Augmentation of training pictures, in OpenCV: uint8 in, uint8 out, each picture by a generator of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edgecnn.errors import UsageError
from edgecnn.preprocess import Image

__all__ = ["AUGMENTATIONS", "Augmentation", "augment", "find_augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a picture."""

    least_area: float = 1.0  # random resized crop: smallest share of the picture's area kept (Szegedy et al., arXiv 1409.4842)
    aspect: float = 1.0  # largest aspect ratio of the crop, and smallest its inverse
    flip_horizontal: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    light: float = 0.0  # brightness and contrast change by at most this share

    @property
    def margin(self) -> float:
        """How much larger than the model's input a picture is kept, so that a crop need not be enlarged."""
        return 1.0 if self.least_area == 1.0 else 1.14


AUGMENTATIONS = {
    "none": Augmentation(),
    "light": Augmentation(least_area=0.5, aspect=4 / 3, flip_horizontal=True, light=0.2),
    # for pictures without up or down, such as parts on a bench or cells of a panel
    "symmetric": Augmentation(flip_horizontal=True, flip_vertical=True, quarter_turns=True, light=0.1),
}


def find_augmentation(name: str) -> Augmentation:
    """Raises :class:`UsageError` for a name that no augmentation has."""
    if name not in AUGMENTATIONS:
        raise UsageError(f"--augment {name}: no augmentation has that name; there are {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[name]


def augment(picture: Image, height: int, width: int, rule: Augmentation, random: np.random.Generator) -> Image:
    """uint8 ``[h, w, 3]`` -> uint8 ``[height, width, 3]``."""
    picture = _crop(picture, rule, random)
    if picture.shape[:2] != (height, width):
        shrinks = picture.shape[0] >= height and picture.shape[1] >= width
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (width, height), interpolation=interpolation)  # type: ignore[assignment]
    if rule.flip_horizontal and random.random() < 0.5:
        picture = picture[:, ::-1]
    if rule.flip_vertical and random.random() < 0.5:
        picture = picture[::-1]
    if rule.quarter_turns and height == width:
        picture = np.rot90(picture, int(random.integers(4)))
    if rule.light:
        picture = _relight(picture, rule.light, random)
    return np.ascontiguousarray(picture)


def _crop(picture: Image, rule: Augmentation, random: np.random.Generator) -> Image:
    if rule.least_area == 1.0:
        return picture
    height, width = picture.shape[:2]
    area = random.uniform(rule.least_area, 1.0)
    aspect = math.exp(random.uniform(-math.log(rule.aspect), math.log(rule.aspect)))
    crop_height = min(height, max(1, round(height * math.sqrt(area / aspect))))
    crop_width = min(width, max(1, round(width * math.sqrt(area * aspect))))
    top, left = int(random.integers(height - crop_height + 1)), int(random.integers(width - crop_width + 1))
    return picture[top : top + crop_height, left : left + crop_width]


def _relight(picture: Image, most: float, random: np.random.Generator) -> Image:
    contrast, brightness = 1 + random.uniform(-most, most), 255 * random.uniform(-most, most) / 2
    table = np.clip((np.arange(256) - 127.5) * contrast + 127.5 + brightness, 0, 255).astype(np.uint8)
    relit: Image = table[picture]
    return relit
