"""One picture on its way to the classifier."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone

from edgecnn.preprocess import Image

__all__ = ["Frame", "now_rfc3339"]


def now_rfc3339() -> str:
    """The time of day, UTC, in milliseconds (RFC 3339)."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded picture, and when and where it was taken in."""

    image: Image  # uint8 [H, W, 3], BGR, as OpenCV and the classifier's default have it
    name: str
    index: int = 0
    media_time_s: float | None = None
    decode_ms: float | None = None
    captured_at: str = field(default_factory=now_rfc3339)
    captured_monotonic_s: float = field(default_factory=time.monotonic)
