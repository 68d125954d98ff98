"""What OpenCV needs of names and gives as images; for drivers, video files and video output."""

from __future__ import annotations

import cv2
import numpy as np

from edgecnn.errors import ImageError
from edgecnn.plain_json import encodable
from edgecnn.preprocess import Image

__all__ = ["as_bgr", "opencv_accepts"]


def opencv_accepts(name: str) -> bool:
    """Whether OpenCV accepts a path or address. Text that is not UTF-8 crashes the process (OpenCV 5.0)."""
    return encodable(name)


def as_bgr(image: object) -> Image:
    """Converts a grey, BGR or BGRA image of a camera to uint8 ``[H, W, 3]`` BGR.

    Raises :class:`ImageError` for any other array.
    """
    if not isinstance(image, np.ndarray) or image.size == 0:
        raise ImageError("the camera gave an empty frame")
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ImageError(f"the camera gave {image.dtype} {list(image.shape)}, expected eight bits")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return image
    if channels not in (1, 4):
        raise ImageError(f"the camera gave {channels} channels, expected 1, 3 or 4")
    conversion = cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR
    return cv2.cvtColor(image, conversion)  # type: ignore[return-value]  # cv2's stubs know no dtype
