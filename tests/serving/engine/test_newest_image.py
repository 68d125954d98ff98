"""The newest frame of a source, as the page gets it."""

from __future__ import annotations

import cv2
import numpy as np

from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.newest_image import NewestImage


def frame(number: int, width: int = 8, height: int = 8) -> Frame:
    return Frame(np.full((height, width, 3), 200, np.uint8), "door", captured_at=str(number))


def test_a_wide_frame_is_made_smaller_and_its_own_size_is_told() -> None:
    newest = NewestImage()
    assert newest.encode() is None
    newest.put(frame(1, 1280, 720), 1)
    encoded = newest.encode()
    assert (encoded.width, encoded.height) == (1280, 720)
    assert cv2.imdecode(np.frombuffer(encoded.content, np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)
    assert newest.encode() is encoded, "encoded once"
