"""Raspberry Pi's own camera, through picamera2: OpenCV cannot read it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from edgecnn.runtime.sources.drivers.driver import Arrival, Grabber, GrabError, as_bgr

__all__ = ["grab_csi"]


def grab_csi(source: str) -> Grabber:
    """Frames of ``csi:`` or ``csi:N``, 1280 x 720 where the sensor gives that. Raises :class:`GrabError`."""
    number = source.removeprefix("csi:") or "0"
    if not number.isdigit():
        raise GrabError("expected csi: or csi:N, N the camera's number", permanent=True)
    try:
        library: Any = import_module("picamera2")
    except ImportError as error:
        remedy = "apt install python3-picamera2, and make the virtual environment with --system-site-packages"
        raise GrabError(f"picamera2 is not installed; {remedy}", permanent=True) from error
    try:
        camera = library.Picamera2(int(number))
        camera.configure(camera.create_video_configuration(main={"size": (1280, 720), "format": "RGB888"}))
        camera.start()
    except (RuntimeError, IndexError, OSError) as error:
        raise GrabError(
            f"the camera does not open ({error}); `rpicam-hello --list-cameras` shows what is connected"
        ) from error
    try:
        while True:
            # Picamera2's RGB888 lies in memory as B, G, R (its manual, section 4.2.2)
            image = camera.capture_array("main")
            yield Arrival(partial(as_bgr, image))
    except (RuntimeError, OSError) as error:
        raise GrabError(f"the camera gives no more frames ({error})") from error
    finally:
        camera.close()
