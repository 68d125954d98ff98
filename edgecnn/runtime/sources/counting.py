"""Counts the images and frames of sources, for a progress bar."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.files import expand_sources
from edgecnn.runtime.sources.opencv_io import opencv_accepts

__all__ = ["count_frames"]


def count_frames(sources: Sequence[str | os.PathLike[str]], every: int = 1) -> int | None:
    """Returns the number of frames of files and videos (from the video header).

    Returns None if the number is unknown: cameras, standard input.
    """
    images = frames = 0
    for address in map(parse_address, sources):
        if address.live or address.text == "-" or not opencv_accepts(address.text):
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
