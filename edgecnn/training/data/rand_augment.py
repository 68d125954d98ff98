"""RandAugment (Cubuk et al., arXiv 1909.13719): a few operations by chance, all of one strength, in OpenCV on uint8."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecnn.preprocess import Image

__all__ = ["OPERATIONS", "rand_augment"]


def rand_augment(image: Image, count: int, magnitude: float, random: np.random.Generator) -> Image:
    """Applies ``count`` operations to uint8 ``[H, W, 3]`` RGB.

    ``magnitude`` is a fraction of each one's largest strength.
    """
    image = np.ascontiguousarray(image)
    for choice in random.integers(len(OPERATIONS), size=count):
        sign = 1.0 if random.random() < 0.5 else -1.0
        image = OPERATIONS[choice](image, sign * magnitude)
    return image


def _identity(image: Image, _strength: float) -> Image:
    return image


def _autocontrast(image: Image, _strength: float) -> Image:
    low, high = image.min((0, 1)).astype(np.float32), image.max((0, 1)).astype(np.float32)
    span = np.where(high > low, high - low, 255.0)
    ramp = (np.arange(256, dtype=np.float32)[:, None] - np.where(high > low, low, 0.0)) * 255.0 / span
    return _look_up(image, ramp)


def _equalize(image: Image, _strength: float) -> Image:
    return np.stack([cv2.equalizeHist(np.ascontiguousarray(image[..., c])) for c in range(3)], -1)


def _solarize(image: Image, strength: float) -> Image:
    values = np.arange(256, dtype=np.float32)
    return _look_up(image, np.where(values < 256 * (1 - abs(strength)), values, 255 - values))


def _posterize(image: Image, strength: float) -> Image:
    bits = 8 - round(4 * abs(strength))
    return _look_up(image, (np.arange(256) >> (8 - bits) << (8 - bits)).astype(np.float32))


def _contrast(image: Image, strength: float) -> Image:
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
    return _look_up(image, (np.arange(256, dtype=np.float32) - mean) * (1 + 0.9 * strength) + mean)


def _brightness(image: Image, strength: float) -> Image:
    return _look_up(image, np.arange(256, dtype=np.float32) * (1 + 0.9 * strength))


def _saturation(image: Image, strength: float) -> Image:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, 1 + 0.9 * strength, grey, -0.9 * strength, 0)  # type: ignore[return-value]


def _sharpness(image: Image, strength: float) -> Image:
    smooth = cv2.filter2D(image, -1, _SMOOTH)
    return cv2.addWeighted(image, 1 + 0.9 * strength, smooth, -0.9 * strength, 0)  # type: ignore[return-value]


def _rotate(image: Image, strength: float) -> Image:
    height, width = image.shape[:2]
    return _warp(image, cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 30 * strength, 1.0))


def _shear_x(image: Image, strength: float) -> Image:
    return _warp(image, np.array([[1, 0.3 * strength, -0.15 * strength * image.shape[0]], [0, 1, 0]]))


def _shear_y(image: Image, strength: float) -> Image:
    return _warp(image, np.array([[1, 0, 0], [0.3 * strength, 1, -0.15 * strength * image.shape[1]]]))


def _translate_x(image: Image, strength: float) -> Image:
    return _warp(image, np.array([[1, 0, 0.45 * strength * image.shape[1]], [0, 1, 0]]))


def _translate_y(image: Image, strength: float) -> Image:
    return _warp(image, np.array([[1, 0, 0], [0, 1, 0.45 * strength * image.shape[0]]]))


def _warp(image: Image, matrix: ArrayLike) -> Image:
    height, width = image.shape[:2]
    matrix = np.asarray(matrix, np.float64)
    size, flags, border = (width, height), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT
    return cv2.warpAffine(  # type: ignore[return-value]
        image, matrix, size, flags=flags, borderMode=border, borderValue=_GREY
    )


def _look_up(image: Image, table: NDArray[np.floating]) -> Image:
    """``table``: ``[256]`` for all channels, or ``[256, 3]``."""
    bytes_ = np.clip(np.round(table), 0, 255).astype(np.uint8)
    return cv2.LUT(image, bytes_[None] if bytes_.ndim > 1 else bytes_)  # type: ignore[return-value]


_GREY = (127, 127, 127)
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13  # Pillow's filter, which the paper's code used

OPERATIONS: tuple[Callable[[Image, float], Image], ...] = (
    _identity,
    _autocontrast,
    _equalize,
    _rotate,
    _solarize,
    _saturation,
    _posterize,
    _contrast,
    _brightness,
    _sharpness,
    _shear_x,
    _shear_y,
    _translate_x,
    _translate_y,
)
"""The paper's fourteen; each takes an image and a strength in -1..1, of which some use the size alone."""
