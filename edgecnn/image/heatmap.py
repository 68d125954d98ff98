"""Draws a class-activation map over its image."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["heat_layer", "overlay"]

_Pixels = NDArray[np.uint8]

# How much of the colour covers the image, cold and hot: its outlines stay to be seen everywhere
_LEAST, _MOST = 0.1, 0.6


def overlay(image: _Pixels, heat: NDArray[np.float32]) -> _Pixels:
    """Returns the grey image, uint8 ``[H, W, 3]`` RGB, under a map ``[H, W]`` of 0 (blue) to 1 (red)."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    cover = _cover(heat)[:, :, None]
    return cast("_Pixels", np.round((1 - cover) * grey + cover * _colors(heat)).astype(np.uint8))


def heat_layer(heat: NDArray[np.float32]) -> _Pixels:
    """Returns a map ``[H, W]`` of 0 (blue) to 1 (red) as a layer to lay over an image, uint8 ``[H, W, 4]`` RGBA."""
    return np.dstack([_colors(heat), np.round(_cover(heat) * 255).astype(np.uint8)])


def _colors(heat: NDArray[np.float32]) -> _Pixels:
    painted = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    return cast("_Pixels", cv2.cvtColor(painted, cv2.COLOR_BGR2RGB))


def _cover(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_LEAST + (_MOST - _LEAST) * heat, np.float32)
