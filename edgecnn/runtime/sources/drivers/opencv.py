"""Sources that OpenCV reads: local cameras, GStreamer pipelines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cv2

from edgecnn.errors import ImageError, SourceError
from edgecnn.preprocess import Image
from edgecnn.runtime.sources.cameras import resolve_camera
from edgecnn.runtime.sources.drivers.driver import (
    DriverError,
    FrameIterator,
    UndecodedFrame,
)
from edgecnn.runtime.sources.opencv_io import as_bgr, opencv_accepts

__all__ = ["read_camera", "read_gstreamer"]


def read_camera(source: str) -> FrameIterator:
    """Yields frames of a local camera, by number, path or name.

    Raises :class:`DriverError`; permanent if the camera does not exist.
    """
    try:
        camera = resolve_camera(source)
    except SourceError as error:
        raise DriverError(str(error).removeprefix(f"{source}: "), permanent=True) from error
    backend = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}.get(
        sys.platform, cv2.CAP_ANY
    )
    capture = cv2.VideoCapture(camera.index, backend)
    if not capture.isOpened():
        raise DriverError("the camera cannot be opened; another program may be using it")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # drivers that heed it keep no old frames
    yield from _frames(capture, "the camera gives no more frames")


def read_gstreamer(pipeline: str) -> FrameIterator:
    """Yields frames of a GStreamer pipeline that ends in ``appsink``, in any pixel format.

    Raises :class:`DriverError`.
    """
    in_bgr = _in_bgr(pipeline)
    if not cv2.videoio_registry.hasBackend(
        cv2.CAP_GSTREAMER
    ):  # the list of backends names plugins too that are not there
        raise DriverError(
            "this OpenCV was built without GStreamer, like the wheels on PyPI; build OpenCV 5 with GStreamer",
            permanent=True,
        )
    capture = _open(in_bgr, cv2.CAP_GSTREAMER, ())
    if not capture.isOpened():
        raise DriverError(
            "the pipeline cannot be started; test it with gst-launch-1.0; its appsink must not have a name"
        )
    yield from _frames(capture, "the pipeline ended")


def _in_bgr(pipeline: str) -> str:
    """Adds a conversion to BGR at the end of the pipeline.

    Without it OpenCV returns I420 as one grey plane of 1.5 times the height, and RGBA as if it were BGRA.
    """
    before, _, sink = pipeline.rpartition("!")
    if not before.strip() or not sink.strip().startswith("appsink"):
        raise DriverError("expected a pipeline that ends in appsink, as in v4l2src ! appsink", permanent=True)
    return f"{before.strip()} ! videoconvert ! video/x-raw,format=BGR ! {sink.strip()}"


def _open(source: str, backend: int, settings: Sequence[int]) -> cv2.VideoCapture:
    if not opencv_accepts(source):
        raise DriverError("the address is not UTF-8", permanent=True)
    try:
        return cv2.VideoCapture(source, backend, settings)
    except cv2.error as error:
        raise DriverError(str(error).splitlines()[0]) from error


def _frames(capture: cv2.VideoCapture, ended: str) -> FrameIterator:
    def decode() -> Image:
        try:
            found, image = capture.retrieve()
        except cv2.error as error:
            raise ImageError(str(error).splitlines()[0]) from error
        if not found:
            raise ImageError("the camera gave an empty frame")
        return as_bgr(image)

    try:
        while capture.grab():
            yield UndecodedFrame(decode)
    finally:
        capture.release()
    raise DriverError(ended)
