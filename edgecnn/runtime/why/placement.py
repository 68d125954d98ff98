"""Where the positions of a model's input lie in the image that it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.manifest import InputSpec, PreprocessSpec

__all__ = ["heat_on_image"]

_LONGEST_RATIO = 8  # of the sides of an image; :mod:`edgecnn.preprocess` cuts the ends of longer ones off when it crops


@dataclass(frozen=True)
class _Box:
    """A rectangle in shares of an image's sides."""

    top: float
    left: float
    height: float
    width: float

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Its rows and columns in an image; at least one of each."""
        return _pixels(self.top, self.height, height), _pixels(self.left, self.width, width)


def heat_on_image(
    heat: NDArray[np.float32], shape: tuple[int, int], longest: int, size: InputSpec, spec: PreprocessSpec
) -> NDArray[np.float32]:
    """Lays a map of the model's input over the whole image.

    Args:
        heat: ``[h, w]``, 0 to 1, over the model's input.
        shape: height and width of the image, in pixels.
        longest: pixels of the longer side of the result; the shape of the image is kept.
        size: of the model's input.
        spec: how the image became the input.

    Returns:
        0 to 1; 0 where the model does not see the image.
    """
    height, width = shape
    factor = longest / max(height, width)
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    whole = cv2.resize(heat, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    inside, seen = _boxes(height, width, size, spec)
    used = whole[inside.pixels(size.height, size.width)]
    where = seen.pixels(rows, columns)
    found = np.zeros((rows, columns), np.float32)
    target = found[where]
    found[where] = cv2.resize(used, target.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(found, 0, 1)


def _boxes(height: int, width: int, size: InputSpec, spec: PreprocessSpec) -> tuple[_Box, _Box]:
    """The part of the input that shows the image, and the part of the image that the input shows."""
    whole = _Box(0, 0, 1, 1)
    if spec.resize == "letterbox":
        factor = min(size.height / height, size.width / width)
        return _centred(height * factor / size.height, width * factor / size.width), whole
    if spec.resize == "crop":
        kept_height, kept_width = min(height, _LONGEST_RATIO * width), min(width, _LONGEST_RATIO * height)
        factor = max(size.height / kept_height, size.width / kept_width) / spec.crop_fraction
        return whole, _centred(size.height / factor / height, size.width / factor / width)
    return whole, whole


def _centred(height: float, width: float) -> _Box:
    height, width = min(1.0, height), min(1.0, width)
    return _Box((1 - height) / 2, (1 - width) / 2, height, width)


def _pixels(start: float, extent: float, size: int) -> slice:
    first = min(round(start * size), size - 1)
    return slice(first, max(first + 1, min(size, round((start + extent) * size))))
