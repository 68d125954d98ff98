"""The mean colour of a red image through a GStreamer pipeline in each format, by the system's OpenCV (Debian.

Python3-opencv).

python3 tests/gstreamer_colours.py FORMAT...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).parents[1]))
for name, value in (("IMREAD_COLOR_BGR", cv2.IMREAD_COLOR), ("IMREAD_COLOR_RGB", 256)):  # names that OpenCV had later
    if not hasattr(cv2, name):
        setattr(cv2, name, value)

from edgecnn.runtime.sources.drivers.opencv import read_gstreamer  # noqa: E402


def colour(pixels: str) -> list[float]:
    source = f"videotestsrc pattern=red num-buffers=2 ! video/x-raw,format={pixels},width=64,height=48 ! appsink"
    frames = read_gstreamer(source)
    image = next(frames).decode()
    return [float(value) for value in image.reshape(-1, 3).mean(0)]


print(json.dumps({pixels: colour(pixels) for pixels in sys.argv[1:]}))
