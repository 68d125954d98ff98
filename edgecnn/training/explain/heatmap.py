"""Draws a class-activation map over its image."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["overlay"]

# How much of the colour covers the image, cold and hot: its outlines stay to be seen everywhere
_LEAST, _MOST = (
    0.1,
    0.6,
)


def overlay(image: Image, heat: NDArray[np.float32]) -> Image:
    """Returns the grey image, uint8 ``[H, W, 3]`` RGB, under a map ``[H, W]`` of 0 (blue) to 1 (red)."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colors = cv2.cvtColor(
        cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
    )
    cover = (_LEAST + (_MOST - _LEAST) * heat)[:, :, None]
    return cast("Image", np.round((1 - cover) * grey + cover * colors).astype(np.uint8))
