"""Raspberry Pi cameras, through picamera2, because OpenCV cannot read them."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, UndecodedFrame
from edgecnn.runtime.sources.opencv_io import as_bgr

__all__ = ["read_csi"]


def read_csi(source: str) -> FrameIterator:
    """Yields frames of ``csi:`` or ``csi:N``, 1280 x 720 if the sensor supports it. Raises :class:`DriverError`."""
    number = source.removeprefix("csi:") or "0"
    if not number.isdigit():
        raise DriverError("expected csi: or csi:N, where N is the camera number", permanent=True)
    try:
        library: Any = import_module("picamera2")
    except ImportError as error:
        remedy = "apt install python3-picamera2, and make the virtual environment with --system-site-packages"
        raise DriverError(f"picamera2 is not installed; {remedy}", permanent=True) from error
    try:
        camera = library.Picamera2(int(number))
        camera.configure(camera.create_video_configuration(main={"size": (1280, 720), "format": "RGB888"}))
        camera.start()
    except (RuntimeError, IndexError, OSError) as error:
        raise DriverError(
            f"the camera cannot be opened ({error}); `rpicam-hello --list-cameras` shows what is connected"
        ) from error
    try:
        while True:
            # Picamera2's RGB888 lies in memory as B, G, R (its manual, section 4.2.2)
            image = camera.capture_array("main")
            yield UndecodedFrame(partial(as_bgr, image))
    except (RuntimeError, OSError) as error:
        raise DriverError(f"the camera gives no more frames ({error})") from error
    finally:
        camera.close()
