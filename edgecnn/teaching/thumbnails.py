"""Small JPEGs of taught images, for the model file."""

from __future__ import annotations

from typing import cast

import cv2

from edgecnn.preprocess import Image

__all__ = ["encode_thumbnail"]

_SIDE = 64  # pixels of the longer side
_QUALITY = 60


def encode_thumbnail(image: Image) -> bytes:
    """A JPEG of uint8 ``[H, W, 3]`` RGB, at most 64 pixels wide and high: some 1.2 KB."""
    height, width = image.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)
    return content.tobytes()
