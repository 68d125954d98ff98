"""Clips of a photograph, filmed by a camera that pans, zooms or shakes, as a hand-held camera does.

All clips shake a little, and their light changes. A pan or zoom has a constant rate. At the middle of the clip, the
camera's place and zoom are drawn alike in every class.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scene import wander

__all__ = ["CAMERA_CLASSES", "film", "photograph_for"]

Random = np.random.Generator
Image = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """What a camera does in the clips of a class."""

    across: int = 0  # pan to the right; -1, 0 or 1
    down: int = 0  # pan; -1, 0 or 1
    zoom: int = 0  # -1: the filmed square shrinks, which is a zoom in
    shake: float = 1.0  # factor on _SHAKE


CAMERA_CLASSES: dict[str, Move] = {
    "pan-left": Move(across=-1),
    "pan-right": Move(across=1),
    "pan-up": Move(down=-1),
    "pan-down": Move(down=1),
    "zoom-in": Move(zoom=-1),
    "zoom-out": Move(zoom=1),
    "shaking": Move(shake=5.0),
    "still": Move(),
}
_PAN = (0.08, 0.3)  # frame sides per second, slowest and fastest
_ZOOM = (0.08, 0.25)  # change of the square's logarithm per second, slowest and fastest
_SHAKE = 0.008  # strength of the camera's shake, as a fraction of the filmed square's side
_LIGHT = 0.06  # strength of the light's change, as a fraction
_SCALE = (
    0.45,
    0.75,
)  # side of the filmed square in the middle of a clip, as a fraction of the photograph's shorter side


def photograph_for(path: str, side: int) -> Image:
    """The photograph, RGB uint8 ``[H, W, 3]``, with about as many pixels as its clips need.

    Raises:
        ValueError: it cannot be read.
    """
    bgr = cv2.imread(path, cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path}: not an image that OpenCV reads; remove it from the folder of backgrounds")
    scale = min(1.0, side / _SCALE[0] / min(bgr.shape[:2]))
    smaller = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(smaller, cv2.COLOR_BGR2RGB), np.uint8)


def film(random: Random, side: int, photograph: Image, move: Move, times_s: Floats) -> Image:
    """Films a photograph, uint8 ``[H, W, 3]`` RGB: frames, uint8 ``[T, side, side, 3]`` RGB."""
    if random.random() < 0.5:
        photograph = photograph[:, ::-1]
    since_middle_s = times_s - times_s[-1] / 2
    height, width = photograph.shape[:2]
    square = random.uniform(*_SCALE) * min(height, width)
    squares = square * np.exp(move.zoom * random.uniform(*_ZOOM) * since_middle_s)  # [T]
    pan = random.uniform(*_PAN) * square * since_middle_s
    shakes = [wander(random, times_s, _SHAKE * move.shake * square) for _ in range(2)]
    spread_x, spread_y = ((length - square) / 4 for length in (width, height))
    x = width / 2 + random.uniform(-spread_x, spread_x) + move.across * pan + shakes[0]
    y = height / 2 + random.uniform(-spread_y, spread_y) + move.down * pan + shakes[1]
    light = np.exp(wander(random, times_s, _LIGHT))
    noise = random.uniform(1, 4)
    frames = np.empty((len(times_s), side, side, 3), np.uint8)
    for i, filmed in enumerate(squares):
        step = filmed / side
        matrix = np.array([[step, 0, x[i] - filmed / 2], [0, step, y[i] - filmed / 2]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(photograph, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        seen = image * np.float32(light[i]) + random.standard_normal(image.shape, np.float32) * np.float32(noise)
        frames[i] = np.clip(seen, 0, 255)
    return frames
