"""Where in a video a frame stands."""

from __future__ import annotations

import math

__all__ = ["MediaClock"]


class MediaClock:
    """Seconds from a video's begin, as its timestamps say, by its rate where it has none.

    Args:
        start_s: the timestamp of its begin; None: the first frame's.
        rate: frames a second.
    """

    def __init__(self, start_s: float | None, rate: float) -> None:
        self._start_s = start_s
        self._step_s = 1 / rate
        self._last_s: float | None = None

    def place_s(self, timestamp_s: float | None) -> float:
        """Of the next frame, by its own timestamp. Where timestamps run backward, recordings were joined."""
        follows_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        if timestamp_s is None:
            place_s = follows_s
        else:
            self._start_s = timestamp_s if self._start_s is None else self._start_s
            place_s = max(timestamp_s - self._start_s, 0.0 if self._last_s is None else -math.inf)
            if self._last_s is not None and place_s < self._last_s:
                self._start_s, place_s = timestamp_s - follows_s, follows_s
        self._last_s = place_s
        return place_s
