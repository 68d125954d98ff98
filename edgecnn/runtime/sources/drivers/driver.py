"""The interface of a driver: an iterator of frames, each decoded only on demand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from edgecnn.preprocess import Decoded, Image
from edgecnn.runtime.sources.frame import now_rfc3339, rfc3339

__all__ = ["DriverError", "FrameIterator", "Receiving", "UndecodedFrame", "split_address", "wall_time_of"]

# What urllib.parse says of an address without repeating any of it
_HARMLESS = ("Invalid IPv6 URL", "Port out of range 0-65535")


class DriverError(Exception):
    """The source cannot be opened or was disconnected.

    Args:
        reason: the reason, as part of a sentence.
        permanent: retrying cannot help, because the address or the machine must change.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True)
class UndecodedFrame:
    """A frame that has arrived but is not decoded yet."""

    # To uint8 [H, W, 3] BGR; valid until the next frame; raises ImageError
    decode: Callable[[], Image | Decoded]
    captured_monotonic_s: float = field(default_factory=time.monotonic)
    captured_at: str = field(default_factory=now_rfc3339)
    decoding_ms: float = 0.0  # spent on it before `decode`
    file: bytes | None = None  # the image file that it is decoded from, where `decode` may give a part of its size


@dataclass(frozen=True)
class Receiving:
    """Data is received, but no frame has come out of it yet: a sign of life."""

    reason: str  # as part of a sentence, for the case that it lasts too long


FrameIterator = Iterator[UndecodedFrame | Receiving]
"""Yields frames; ends with the source; raises :class:`DriverError` if the source fails."""


def wall_time_of(monotonic_s: float) -> str:
    """Returns the UTC time (RFC 3339) of a recent moment of the monotonic clock."""
    return rfc3339(time.time_ns() - round((time.monotonic() - monotonic_s) * 1e9))


def split_address(url: str) -> SplitResult:
    """Splits an address into its parts.

    Raises a permanent :class:`DriverError` if the address has no host or an invalid port.
    """
    if _hides_host(url):
        raise DriverError(
            "the user name or password contains a character that ends the host part of an address; write # as %23, "
            "? as %3F, / as %2F, @ as %40",
            permanent=True,
        )
    try:
        parts = urlsplit(url)
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError as error:  # its text may repeat a part of the password
        reason = str(error) if str(error) in _HARMLESS else "its host or port cannot be parsed"
        raise DriverError(f"invalid address: {reason}", permanent=True) from error
    if not named:
        raise DriverError("the address has no host, or port 0", permanent=True)
    return parts


def _hides_host(url: str) -> bool:
    """Whether an @ comes after the end of the host part, and that part is not a host but the begin of a password."""
    rest = url.partition("://")[2]
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in host or "@" not in rest:
        return False
    return not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(:\d+)?", host) or rest[len(host) :][:1] == "#"
