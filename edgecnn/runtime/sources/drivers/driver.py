"""What a capture process gets out of a camera or a stream.

Frames as they arrive, each decoded only where it is wanted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import cv2
import numpy as np

from edgecnn.errors import ImageError
from edgecnn.preprocess import Image
from edgecnn.runtime.sources.frame import now_rfc3339, rfc3339

__all__ = ["Arrival", "GrabError", "Grabber", "Receiving", "as_bgr", "opencv_takes", "split_address", "wall_time_of"]


# What urllib.parse says of an address without repeating any of it
_HARMLESS = ("Invalid IPv6 URL", "Port out of range 0-65535")


class GrabError(Exception):
    """The source cannot be opened or has gone away.

    Args:
        reason: one clause.
        permanent: trying again cannot help: the address or the machine must change.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True)
class Arrival:
    """A frame that has arrived and is not decoded yet."""

    decode: Callable[[], Image]  # to uint8 [H, W, 3] BGR; valid until the next arrival; raises ImageError
    captured_monotonic_s: float = field(default_factory=time.monotonic)
    captured_at: str = field(default_factory=now_rfc3339)


@dataclass(frozen=True)
class Receiving:
    """Data comes, of which no frame has come out yet: a sign of life."""

    reason: str  # one clause, for where it lasts too long


Grabber = Iterator[Arrival | Receiving]
"""Gives arrivals; ends where the source is at its end; raises :class:`GrabError` where it failed."""


def wall_time_of(monotonic_s: float) -> str:
    """The time of day, RFC 3339, of a moment of the monotonic clock that has just been."""
    return rfc3339(time.time_ns() - round((time.monotonic() - monotonic_s) * 1e9))


def opencv_takes(name: str) -> bool:
    """Whether a path or address is text that OpenCV's bindings take.

    One in bytes that are no UTF-8 ends the process (5.0).
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_address(url: str) -> SplitResult:
    """The parts of an address of a host.

    Raises :class:`GrabError`, permanent, where it names none, or a port that there is not.
    """
    if _hides_host(url):
        raise GrabError(
            "its user name or password holds a character that ends the host's part of an address; write # as %23, "
            "? as %3F, / as %2F, @ as %40",
            permanent=True,
        )
    try:
        parts = urlsplit(url)
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError as error:  # its text may repeat a part of the password
        told = str(error) if str(error) in _HARMLESS else "its host or port cannot be read"
        raise GrabError(f"no address: {told}", permanent=True) from error
    if not named:
        raise GrabError("the address names no host, or port 0", permanent=True)
    return parts


def _hides_host(url: str) -> bool:
    """Whether an @ comes after what ends the host's part, and the part before is no host: part of a password."""
    rest = url.partition("://")[2]
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in host or "@" not in rest:
        return False
    return not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(:\d+)?", host) or rest[len(host) :][:1] == "#"


def as_bgr(image: object) -> Image:
    """What a camera's driver gave, as uint8 ``[H, W, 3]`` BGR.

    Grey and alpha occur. Raises :class:`ImageError` for anything else.
    """
    if not isinstance(image, np.ndarray) or image.size == 0:
        raise ImageError("the camera gave an empty frame")
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ImageError(f"the camera gave {image.dtype} {list(image.shape)}, expected eight bits")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return image
    if channels not in (1, 4):
        raise ImageError(f"the camera gave {channels} channels, expected 1, 3 or 4")
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]  # cv2's stubs know no dtype
