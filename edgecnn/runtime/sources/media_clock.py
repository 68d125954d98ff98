"""Where in a video a frame stands."""

from __future__ import annotations

__all__ = ["MediaClock"]

_JUMP_S = 1.0  # backward: two recordings were joined, each with times of its own


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
        """Of the next frame, by its own timestamp; times never run backward by more than a frame's disorder."""
        follows_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        if timestamp_s is None:
            place_s = follows_s
        else:
            self._start_s = timestamp_s if self._start_s is None else self._start_s
            place_s = max(0.0, timestamp_s - self._start_s)
            if self._last_s is not None and place_s < self._last_s - _JUMP_S:
                self._start_s, place_s = timestamp_s - follows_s, follows_s
        self._last_s = place_s
        return place_s
