"""The small grey copy of an image by which it is compared with all others."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["THUMBNAIL_SIDE", "Thumbnail", "thumbnail"]

Thumbnail = NDArray[np.uint8]
"""uint8 ``[64, 64]`` grey levels."""

THUMBNAIL_SIDE = 64


def thumbnail(image: Image) -> Thumbnail:
    """uint8 ``[H, W, 3]`` RGB -> ``[64, 64]`` grey levels, which encoding and resizing leave nearly alone."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = THUMBNAIL_SIDE, THUMBNAIL_SIDE
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
