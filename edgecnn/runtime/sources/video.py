"""Reads all frames of a video file in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from edgecnn.errors import ImageError, InputNotFoundError, SourceError
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.sources.opencv_io import as_bgr, opencv_accepts

__all__ = ["read_video", "video_rate"]

_WHOLE = 0.9  # of the frames that the header promises: it may be an estimate
_LOST = 5  # frames that a short video may lack all the same


def read_video(path: str, every: int = 1, max_pixels: int = MAX_PIXELS) -> Iterator[Frame]:
    """Yields every ``every``-th frame; ``media_time_s`` is its position. The rotation of the file is applied.

    Raises:
        InputNotFoundError, SourceError: at the first frame, if the file cannot be opened or decoded.
        ImageError: at the end, if the file is truncated.
    """
    capture = _open(path, max_pixels)
    promised, index = capture.get(cv2.CAP_PROP_FRAME_COUNT), 0
    try:
        while True:
            start = time.perf_counter()
            if not capture.grab():
                break
            index += 1
            if (index - 1) % every:
                continue
            media_time_s = max(0.0, capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
            found, image = capture.retrieve()
            if not found:
                break
            yield Frame(
                image=as_bgr(image),
                name=path,
                index=index - 1,
                media_time_s=media_time_s,
                decode_ms=(time.perf_counter() - start) * 1e3,
                kind="video",
            )
    finally:
        capture.release()
    if not index:
        raise SourceError(f"{path}: no frame of this video can be decoded; convert it, for example with ffmpeg")
    if index < _WHOLE * promised - _LOST:
        raise ImageError(f"{path}: is truncated after {index} of {promised:.0f} frames; copy the file again")


def video_rate(path: str) -> float:
    """Returns the frame rate of the file in frames per second; 25 if the file does not state it."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)  # of a path that was read from
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if 0 < rate <= 1000 else 25.0


def _open(path: str, max_pixels: int) -> cv2.VideoCapture:
    if not Path(path).exists():
        raise InputNotFoundError(f"{path}: no such video; check the path")
    if not opencv_accepts(path):
        raise SourceError(f"{path}: the file name is not UTF-8, which OpenCV requires for videos; rename it")
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path}: OpenCV cannot open this video; convert it, for example with ffmpeg")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > max_pixels:
        capture.release()
        raise SourceError(
            f"{path}: {width:.0f} x {height:.0f} pixels exceed the limit of {max_pixels / 1e6:g} megapixels"
        )
    return capture
