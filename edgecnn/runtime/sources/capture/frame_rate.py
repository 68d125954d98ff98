"""Predicts when the next frame of a camera arrives."""

from __future__ import annotations

__all__ = ["FrameRate"]

_SOON_S = 0.003  # before it is due: what taking it instead of the newest one may cost
_LATE_S = 0.002  # after: cameras are no clocks
_WEIGHT = 1 / 8  # of the last interval in the mean


class FrameRate:
    """Estimates the frame interval. One thread counts frames, another queries."""

    def __init__(self) -> None:
        self._interval_s: float | None = None
        self._last_s: float | None = None

    def count(self, now_s: float) -> None:
        """Records a frame at this time of the monotonic clock, in seconds."""
        if self._last_s is not None:
            interval_s = now_s - self._last_s
            self._interval_s = (
                interval_s if self._interval_s is None else self._interval_s + _WEIGHT * (interval_s - self._interval_s)
            )
        self._last_s = now_s

    def next_within_s(self, now_s: float) -> float:
        """Returns the seconds until the next frame; 0 if it is not imminent or is overdue."""
        if self._interval_s is None or self._last_s is None or self._interval_s < 2 * (_SOON_S + _LATE_S):
            return 0.0
        due_s = self._last_s + self._interval_s
        return due_s + _LATE_S - now_s if due_s - _SOON_S < now_s < due_s + _LATE_S else 0.0
