"""A simulated camera: a disc that changes to a square and back, moving over a noisy background."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, UndecodedFrame

__all__ = ["FakeCamera", "draw_frame", "parse_fake", "read_fake"]

_PATTERN = re.compile(
    r"fake:(?:(?P<width>\d+)x(?P<height>\d+))?(?:@(?P<fps>\d+(?:\.\d+)?))?(?:,outage=(?P<outage>\d+))?"
)
_SHAPE_S = 5.0  # how long it stays a disc, or a square
_SHIFTS = 64  # of the noise from frame to frame, pixels each way


@dataclass(frozen=True)
class FakeCamera:
    """The options of ``fake:WIDTHxHEIGHT@FPS,outage=N``; all parts are optional."""

    width: int = 640
    height: int = 480
    fps: float = 30.0
    outage: int = 0  # breaks off after so many frames, 0: never


def parse_fake(source: str) -> FakeCamera:
    """Parses a fake camera. Raises :class:`DriverError` for an invalid address."""
    match = _PATTERN.fullmatch(source)
    if match is None:
        raise DriverError("expected fake:WIDTHxHEIGHT@FPS,outage=N, as in fake: or fake:640x480@30", permanent=True)
    kinds = {"width": int, "height": int, "fps": float, "outage": int}
    camera = FakeCamera(**{name: kinds[name](text) for name, text in match.groupdict().items() if text})
    if not (16 <= camera.width <= 8192 and 16 <= camera.height <= 8192 and 0.1 <= camera.fps <= 1000):
        raise DriverError("expected sides of 16 to 8192 pixels and 0.1 to 1000 frames per second", permanent=True)
    return camera


def read_fake(source: str) -> FrameIterator:
    """Yields frames at the given rate; a late frame delays no other. Raises :class:`DriverError` at an outage."""
    camera = parse_fake(source)
    start, index = time.monotonic(), 0
    random = np.random.default_rng(0)
    while not camera.outage or index < camera.outage:
        time.sleep(max(0.0, start + index / camera.fps - time.monotonic()))
        yield UndecodedFrame(partial(draw_frame, camera, index, random))
        index += 1
    raise DriverError(f"the fake camera goes offline after {camera.outage} frames, as requested by outage=")


def draw_frame(camera: FakeCamera, index: int, random: np.random.Generator) -> Image:
    """Frame ``index``, uint8 ``[height, width, 3]`` BGR."""
    height, width, seconds = camera.height, camera.width, index / camera.fps
    ground = 90 + 60 * np.linspace(0, 1, width) * math.cos(seconds / 3)  # [W]
    down, right = random.integers(0, _SHIFTS, 2)
    grain = _grain(height + _SHIFTS, width + _SHIFTS)[down : down + height, right : right + width]
    image = cast("Image", cv2.cvtColor(ground.astype(np.uint8) + grain, cv2.COLOR_GRAY2BGR))
    side = min(height, width) // 4
    x = int(width / 2 + (width / 2 - side) * math.sin(seconds))
    y = int(height / 2 + (height / 2 - side) * math.sin(1.3 * seconds))
    color = (40, 180, 230)
    if int(seconds / _SHAPE_S) % 2:
        cv2.rectangle(image, (x - side, y - side), (x + side, y + side), color, -1)
    else:
        cv2.circle(image, (x, y), side, color, -1, cv2.LINE_AA)
    return image


@lru_cache(maxsize=1)
def _grain(height: int, width: int) -> NDArray[np.uint8]:
    """Returns sensor noise ``[height, width]``, generated once: each frame uses another window of it."""
    return np.random.default_rng(0).integers(0, 12, (height, width), np.uint8)
