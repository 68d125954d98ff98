"""A frame as a small JPEG, for people to look at."""

from __future__ import annotations

from typing import cast

import cv2

from edgecnn.preprocess import Image
from edgecnn.runtime.sources.frame import Frame

__all__ = ["as_bgr", "small_jpeg"]


def as_bgr(frame: Frame) -> Image:
    """The image of a frame as OpenCV encodes it: uint8 ``[H, W, 3]``, BGR."""
    if frame.color == "bgr":
        return frame.image
    image: Image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]  # cv2's stubs know no dtype
    return image


def small_jpeg(frame: Frame, widest: int, quality: int, interpolation: int = cv2.INTER_LINEAR) -> bytes:
    """Encodes a frame, made smaller if need be.

    Args:
        frame: the frame.
        widest: largest width, in pixels; a wider frame keeps its aspect ratio.
        quality: of the JPEG, 1 to 100.
        interpolation: OpenCV's, for making it smaller.
    """
    image = as_bgr(frame)
    height, width = image.shape[:2]
    if width > widest:
        size = widest, max(1, round(height * widest / width))
        image = cast("Image", cv2.resize(image, size, interpolation=interpolation))
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes every uint8 image with three channels"
    return jpeg.tobytes()
