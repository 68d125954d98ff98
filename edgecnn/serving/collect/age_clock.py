"""The clock by which frames grow old: it never jumps."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgecnn.atomic import write_text
from edgecnn.plain_json import parse_json

__all__ = ["AgeClock"]

_LONGEST_PAUSE_S = 86_400.0


class AgeClock:
    """Counts the seconds in which the service runs, over restarts.

    A device without a battery for its clock may start years off, and is corrected later. By such a clock all frames
    could be too old at once. So while the service runs, the monotonic clock counts. A pause between two runs counts as
    the device's clock says, yet never below 0 and at most one day.

    Args:
        path: the file that keeps the count.
        least_s: the count is at least this: a frame was collected then.
        wall: seconds since 1970, by the device's clock.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        path: Path,
        least_s: float = 0.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._wall = wall
        self._monotonic = monotonic
        self._begun_s = monotonic()
        counted_s = 0.0
        with suppress(OSError, ValueError, TypeError, KeyError, OverflowError):
            saved = parse_json(path.read_bytes())
            counted_s = float(saved["counted_s"]) + min(max(wall() - float(saved["saved_at"]), 0.0), _LONGEST_PAUSE_S)
        # Without the file, or with a damaged one, the frames tell the least
        self._before_s = max(counted_s, least_s) if math.isfinite(counted_s) else least_s

    @property
    def now_s(self) -> float:
        """The count."""
        return self._before_s + self._monotonic() - self._begun_s

    def save(self) -> None:
        """Writes the count. Raises :class:`OutputError`."""
        write_text(self._path, json.dumps({"counted_s": self.now_s, "saved_at": self._wall()}))
