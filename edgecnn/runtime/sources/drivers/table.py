"""The kinds of sources: which addresses name a kind of camera or stream, and which driver reads it.

It imports no driver. The capture process imports the one that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DRIVERS", "SCHEMES", "Driver", "Kind"]

Kind = Literal["images", "video", "camera", "csi", "rtsp", "http", "gstreamer", "fake", "loop"]


@dataclass(frozen=True)
class Driver:
    """How a kind of camera or stream is named and read."""

    module: str  # in this package
    function: str  # takes the address, then `settings` by name; gives a FrameIterator (driver.py)
    settings: tuple[Literal["max_pixels", "timeout_s", "interval_s", "model"], ...] = ()  # fields of CaptureOrder
    schemes: tuple[str, ...] = ()  # of addresses; those of the others are told apart in address.py
    reads_ahead: bool = False  # its frames stay valid, so the next ones are read while one is decoded
    of_host: bool = False  # the address names a host, and may hold a password


# Of every kind but images and videos, which need no capture process
DRIVERS: dict[Kind, Driver] = {
    "camera": Driver("opencv", "read_camera"),
    "csi": Driver("csi", "read_csi", schemes=("csi",)),
    "rtsp": Driver(
        "network_video", "read_rtsp", ("max_pixels", "timeout_s"), ("rtsp", "rtsps"), reads_ahead=True, of_host=True
    ),
    "http": Driver(
        "http",
        "read_http",
        ("max_pixels", "timeout_s", "interval_s", "model"),
        ("http", "https"),
        reads_ahead=True,
        of_host=True,
    ),
    "gstreamer": Driver("opencv", "read_gstreamer"),
    "fake": Driver("fake", "read_fake", schemes=("fake",)),
    "loop": Driver("loop", "read_loop", ("max_pixels",), schemes=("loop",)),
}
SCHEMES: dict[str, Kind] = {scheme: kind for kind, driver in DRIVERS.items() for scheme in driver.schemes}
