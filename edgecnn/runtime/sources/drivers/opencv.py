"""Frames that OpenCV captures: local cameras, GStreamer pipelines."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cv2

from edgecnn.errors import ImageError, SourceError
from edgecnn.preprocess import Image
from edgecnn.runtime.sources.cameras import resolve_camera
from edgecnn.runtime.sources.drivers.driver import Arrival, Grabber, GrabError, as_bgr, opencv_takes

__all__ = ["grab_camera", "grab_gstreamer"]


def grab_camera(source: str) -> Grabber:
    """Frames of a local camera by number, path or name.

    Raises :class:`GrabError`, permanent where there is no such camera.
    """
    try:
        camera = resolve_camera(source)
    except SourceError as error:
        raise GrabError(str(error).removeprefix(f"{source}: "), permanent=True) from error
    backend = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}.get(
        sys.platform, cv2.CAP_ANY
    )
    capture = cv2.VideoCapture(camera.index, backend)
    if not capture.isOpened():
        raise GrabError("the camera does not open: another program may be using it")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # drivers that heed it keep no old frames
    yield from _frames(capture, "the camera gives no more frames")


def grab_gstreamer(pipeline: str) -> Grabber:
    """Frames of a GStreamer pipeline that ends in ``appsink``, whatever its own format is.

    Raises :class:`GrabError`.
    """
    in_bgr = _in_bgr(pipeline)
    if not cv2.videoio_registry.hasBackend(
        cv2.CAP_GSTREAMER
    ):  # the list of backends names plugins too that are not there
        raise GrabError(
            "this OpenCV was built without GStreamer, as PyPI's are; build OpenCV 5 with it", permanent=True
        )
    capture = _open(in_bgr, cv2.CAP_GSTREAMER, ())
    if not capture.isOpened():
        raise GrabError(
            "the pipeline does not start: try it with gst-launch-1.0; its appsink may have no name of its own"
        )
    yield from _frames(capture, "the pipeline ended")


def _in_bgr(pipeline: str) -> str:
    """The pipeline with its frames converted last.

    OpenCV hands out I420 as one grey plane, half as high again, and RGBA as if it were BGRA.
    """
    before, _, sink = pipeline.rpartition("!")
    if not before.strip() or not sink.strip().startswith("appsink"):
        raise GrabError("expected a pipeline that ends in appsink, as in v4l2src ! appsink", permanent=True)
    return f"{before.strip()} ! videoconvert ! video/x-raw,format=BGR ! {sink.strip()}"


def _open(source: str, backend: int, settings: Sequence[int]) -> cv2.VideoCapture:
    if not opencv_takes(source):
        raise GrabError("the address is not UTF-8", permanent=True)
    try:
        return cv2.VideoCapture(source, backend, settings)
    except cv2.error as error:
        raise GrabError(str(error).splitlines()[0]) from error


def _frames(capture: cv2.VideoCapture, ended: str) -> Grabber:
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
            yield Arrival(decode)
    finally:
        capture.release()
    raise GrabError(ended)
