"""How many images and frames sources will give, for a progress bar."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.drivers.driver import opencv_takes
from edgecnn.runtime.sources.files import expand_sources

__all__ = ["count_frames"]


def count_frames(sources: Sequence[str | os.PathLike[str]], every: int = 1) -> int | None:
    """Frames of files and videos, these as their headers say.

    None where there is no end or no telling: a camera, standard input.
    """
    images = frames = 0
    for address in map(parse_address, sources):
        if address.live or address.text == "-" or not opencv_takes(address.text):
            return None
        if address.kind == "video":
            capture = cv2.VideoCapture(address.text, cv2.CAP_FFMPEG)
            frames += -(-max(0, round(capture.get(cv2.CAP_PROP_FRAME_COUNT))) // every)
            capture.release()
            continue
        try:
            images += sum(1 for _ in expand_sources([address.text]))
        except EdgeCNNError:  # told where it is opened
            return None
    return frames + -(-images // every)
