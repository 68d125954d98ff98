"""Augmentation of training images, in OpenCV: uint8 in, uint8 out, each image by a generator of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edgecnn.errors import UsageError
from edgecnn.preprocess import Image
from edgecnn.training.data.rand_augment import rand_augment

__all__ = ["AUGMENTATIONS", "Augmentation", "augment", "find_augmentation"]


_LITTLE = 1.5  # shrinking by less, linear interpolation skips no pixel, at a fifth of the cost


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image, and (``mixup``, ``cutmix``) to two of a batch."""

    least_area: float = (
        1.0  # random resized crop: smallest share of the image's area kept (Szegedy et al., arXiv 1409.4842)
    )
    aspect: float = 1.0  # largest aspect ratio of the crop, and smallest its inverse
    shift: float = 0.0  # pad-and-crop: the image moves by at most this share of its side, mirrored at the border
    flip_horizontal: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    rotation_deg: float = 0.0  # at most, to either side
    light: float = 0.0  # brightness and contrast change by at most this share
    colour: float = 0.0  # saturation changes by at most this share
    random_operations: int = 0  # RandAugment's N (Cubuk et al., arXiv 1909.13719)
    magnitude: float = 0.0  # RandAugment's M, as a share of each operation's largest
    erase: float = 0.0  # share of images of which a rectangle is erased (Zhong et al., arXiv 1708.04896)
    mixup: float = 0.0  # alpha of the mixing weight's beta distribution (Zhang et al., arXiv 1710.09412)
    cutmix: float = (
        0.0  # the same of CutMix (Yun et al., arXiv 1905.04899); with both, each batch gets one of them by chance
    )

    @property
    def margin(self) -> float:
        """How much larger than the model's input an image is kept, so that a crop need not be enlarged."""
        return 1.0 if self.least_area == 1.0 else 1.14

    def without_flips(self) -> Augmentation:
        """For images in which left and right, up and down carry meaning: letters, gauges, arrows."""
        return replace(self, flip_horizontal=False, flip_vertical=False, quarter_turns=False)


_LIGHT = Augmentation(least_area=0.5, aspect=4 / 3, flip_horizontal=True, light=0.2)
AUGMENTATIONS = {
    "none": Augmentation(),
    "light": _LIGHT,
    "standard": replace(_LIGHT, least_area=0.35, rotation_deg=10, light=0.3, colour=0.3, erase=0.1),
    "strong": replace(
        _LIGHT, least_area=0.25, colour=0.3, random_operations=2, magnitude=0.5, erase=0.25, mixup=0.2, cutmix=1.0
    ),
    # for images without up or down, such as parts on a bench or cells of a panel
    "symmetric": Augmentation(flip_horizontal=True, flip_vertical=True, quarter_turns=True, light=0.1),
    # for images of 32 pixels, of which a resized crop would leave too little
    "tiny": Augmentation(shift=0.125, flip_horizontal=True),
}


def find_augmentation(name: str) -> Augmentation:
    """Raises :class:`UsageError` for a name that no augmentation has."""
    if name not in AUGMENTATIONS:
        raise UsageError(f"--augment {name}: unknown augmentation; choose one of {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[name]


def augment(image: Image, height: int, width: int, rule: Augmentation, random: np.random.Generator) -> Image:
    """uint8 ``[h, w, 3]`` -> uint8 ``[height, width, 3]``."""
    image = _crop(image, rule, random)
    if image.shape[:2] != (height, width):
        shrinks = image.shape[0] > _LITTLE * height or image.shape[1] > _LITTLE * width
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(image, (width, height), interpolation=interpolation)  # type: ignore[assignment]
    image = _flip(image, rule, random)
    if rule.shift or rule.rotation_deg:
        image = _move(image, rule, random)
    if rule.light:
        image = _relight(image, rule.light, random)
    if rule.colour:
        image = _recolour(image, rule.colour, random)
    if rule.random_operations:
        image = rand_augment(image, rule.random_operations, rule.magnitude, random)
    if rule.erase and random.random() < rule.erase:
        image = _erase(image, random)
    return np.ascontiguousarray(image)


def _crop(image: Image, rule: Augmentation, random: np.random.Generator) -> Image:
    if rule.least_area == 1.0:
        return image
    height, width = image.shape[:2]
    area = random.uniform(rule.least_area, 1.0)
    aspect = math.exp(random.uniform(-math.log(rule.aspect), math.log(rule.aspect)))
    crop_height = min(height, max(1, round(height * math.sqrt(area / aspect))))
    crop_width = min(width, max(1, round(width * math.sqrt(area * aspect))))
    top, left = int(random.integers(height - crop_height + 1)), int(random.integers(width - crop_width + 1))
    return image[top : top + crop_height, left : left + crop_width]


def _flip(image: Image, rule: Augmentation, random: np.random.Generator) -> Image:
    if rule.flip_horizontal and random.random() < 0.5:
        image = image[:, ::-1]
    if rule.flip_vertical and random.random() < 0.5:
        image = image[::-1]
    if rule.quarter_turns and image.shape[0] == image.shape[1]:
        image = np.rot90(image, int(random.integers(4)))
    return image


def _move(image: Image, rule: Augmentation, random: np.random.Generator) -> Image:
    """Turned about the centre and shifted by whole pixels; the border is mirrored, which invents no black corners."""
    height, width = image.shape[:2]
    angle = random.uniform(-rule.rotation_deg, rule.rotation_deg)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    matrix[:, 2] = matrix[:, 2] + np.round(random.uniform(-rule.shift, rule.shift, 2) * (width, height))
    source, size, border = np.ascontiguousarray(image), (width, height), cv2.BORDER_REFLECT_101
    return cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)  # type: ignore[return-value]


def _relight(image: Image, most: float, random: np.random.Generator) -> Image:
    contrast, brightness = 1 + random.uniform(-most, most), 255 * random.uniform(-most, most) / 2
    table = np.clip((np.arange(256) - 127.5) * contrast + 127.5 + brightness, 0, 255).astype(np.uint8)
    relit: Image = cv2.LUT(np.ascontiguousarray(image), table)  # type: ignore[assignment]
    return relit


def _recolour(image: Image, most: float, random: np.random.Generator) -> Image:
    """Nearer to grey, or further from it."""
    saturation = 1 + random.uniform(-most, most)
    source = np.ascontiguousarray(image)
    grey = cv2.cvtColor(cv2.cvtColor(source, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(source, saturation, grey, 1 - saturation, 0)  # type: ignore[return-value]


def _erase(image: Image, random: np.random.Generator) -> Image:
    """A rectangle of 2 to 20 % of the area becomes noise."""
    height, width = image.shape[:2]
    area, aspect = random.uniform(0.02, 0.2), math.exp(random.uniform(-math.log(3), math.log(3)))
    tall, wide = (
        min(side, max(1, round(side * math.sqrt(part))))
        for side, part in ((height, area * aspect), (width, area / aspect))
    )
    top, left = int(random.integers(height - tall + 1)), int(random.integers(width - wide + 1))
    erased = np.array(image)
    erased[top : top + tall, left : left + wide] = random.integers(0, 256, (tall, wide, 3), np.uint8)
    return erased
