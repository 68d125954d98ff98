"""The interface of a driver: an iterator of frames, each decoded only on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from edgecnn.preprocess import Image
from edgecnn.runtime.sources.frame import now_rfc3339

__all__ = ["DriverError", "FrameIterator", "UndecodedFrame", "split_address"]


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

    decode: Callable[[], Image]  # to uint8 [H, W, 3] BGR; valid until the next frame; raises ImageError
    captured_monotonic_s: float = field(default_factory=time.monotonic)
    captured_at: str = field(default_factory=now_rfc3339)


FrameIterator = Iterator[UndecodedFrame]
"""Yields frames; ends with the source; raises :class:`DriverError` if the source fails."""


def split_address(url: str) -> SplitResult:
    """Splits an address into its parts.

    Raises a permanent :class:`DriverError` if the address has no host or an invalid port.
    """
    try:
        parts = urlsplit(url)
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise DriverError(f"invalid address: {error}", permanent=True) from error
    if not named:
        raise DriverError("the address has no host, or port 0", permanent=True)
    return parts
