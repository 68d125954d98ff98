"""The frames of a video file, every one of them in its order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from edgecnn.errors import ImageError, InputNotFoundError, SourceError
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.runtime.sources.drivers.driver import as_bgr, opencv_takes
from edgecnn.runtime.sources.frame import Frame

__all__ = ["read_video", "video_rate"]

_WHOLE = 0.9  # of the frames that the header promises: it may be an estimate
_LOST = 5  # frames that a short video may lack all the same


def read_video(path: str, every: int = 1, max_pixels: int = MAX_PIXELS) -> Iterator[Frame]:
    """Every ``every``-th frame of a video file; ``media_time_s`` is its place there. The file's rotation is applied.

    Raises:
        InputNotFoundError, SourceError: at the first frame, where there is none to be had.
        ImageError: at the end, where the file breaks off before it.
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
        raise SourceError(f"{path}: no frame of this video can be decoded; convert it, for instance with ffmpeg")
    if index < _WHOLE * promised - _LOST:
        raise ImageError(f"{path}: breaks off after {index} of {promised:.0f} frames; copy the file again")


def video_rate(path: str) -> float:
    """Frames a second as the file says, 25 where it does not."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)  # of a path that was read from
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if 0 < rate <= 1000 else 25.0


def _open(path: str, max_pixels: int) -> cv2.VideoCapture:
    if not Path(path).exists():
        raise InputNotFoundError(f"{path}: no such video; check the path")
    if not opencv_takes(path):
        raise SourceError(f"{path}: its name is not UTF-8, which OpenCV needs of a video's; rename it")
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path}: not a video that OpenCV's FFmpeg can open; convert it, for instance with ffmpeg")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > max_pixels:
        capture.release()
        raise SourceError(
            f"{path}: {width:.0f} x {height:.0f} pixels are more than the limit of {max_pixels / 1e6:g} megapixels"
        )
    return capture
