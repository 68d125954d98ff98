"""Options, counters and events of live sources."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.errors import UsageError
from edgecnn.preprocess import MAX_PIXELS, ModelInput

__all__ = ["Counters", "Ended", "LiveOptions", "Outage"]


@dataclass(frozen=True)
class LiveOptions:
    """Options for cameras and streams. Times are in seconds."""

    every: int = 1  # decode every N-th frame alone
    max_pixels: int = MAX_PIXELS  # of a frame; larger ones are dropped
    stall_s: float = 4.5  # silence after which a connection counts as lost
    open_s: float = (
        6.0  # the same before the first frame; grows by half with each attempt that was silent, to `longest_open_s`
    )
    longest_open_s: float = 20.0
    first_wait_s: float = 0.5  # before the second attempt
    longest_wait_s: float = 4.0
    # Without a frame, where data comes: the first keyframe of a stream may be far
    longest_first_s: float = 30.0
    # Between two requests of an image over HTTP, which is then a camera; None: one image, then the end
    interval_s: float | None = None
    # What the JPEGs of a stream are decoded for, which may be smaller than they are (`Frame.full_image`); None: nothing
    model: ModelInput | None = None
    fail_fast: bool = False  # a source that is not there at the start is an error, not waited for

    def __post_init__(self) -> None:
        if self.interval_s is not None and not 0 < self.interval_s < 86400:
            raise UsageError(f"interval {self.interval_s:g}: expected seconds above 0 and below a day")


@dataclass(frozen=True)
class Counters:
    """Counters of a source since it was opened."""

    captured: int = 0  # frames decoded
    delivered: int = 0  # of these, handed out; newer ones took the others' place
    dropped: int = 0  # frames that could not be decoded
    connections: int = 0  # that gave at least one frame
    outages: int = 0  # of these, broken off
    stalls: int = 0  # connections ended for silence
    failed_attempts: int = 0  # connections that gave no frame


@dataclass(frozen=True)
class Outage:
    """A source is offline. The next attempt is in ``retry_in_s`` seconds."""

    name: str
    reason: str
    retry_in_s: float
    captured_at: str  # RFC 3339: when it was noticed


@dataclass(frozen=True)
class Ended:
    """A source has ended, for example a single image over HTTP."""
