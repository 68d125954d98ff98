"""At which frames a recurrent model takes a step: by elapsed time, so that clips may have different frame rates.

A step is due every ``frame_interval_s`` from the first frame on. A frame takes all steps that have become due since the
frame before it: none between two steps, several after a pause of several intervals.
"""

from __future__ import annotations

import math

__all__ = ["StepClock", "longest_gap_s"]

_TOLERANCE_S = 0.002  # containers round times to a millisecond
_MIN_GAP_S = 1.0
_GAP_INTERVALS = 8


def longest_gap_s(interval_s: float) -> float:
    """The longest pause between two frames of one clip, in seconds; after a longer one, a new clip starts."""
    return max(_MIN_GAP_S, _GAP_INTERVALS * interval_s)


class StepClock:
    """Counts the steps that are due at each frame of one source.

    Args:
        interval_s: seconds from one step to the next.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._start_s: float | None = None
        self._steps = 0
        self._last_s = 0.0

    def breaks(self, time_s: float) -> bool:
        """Whether a frame at this time starts a new clip: the time has run backward, or the gap is too long."""
        if self._start_s is None:
            return False
        gap_s = time_s - self._last_s
        return not -_TOLERANCE_S <= gap_s <= longest_gap_s(self._interval_s) + _TOLERANCE_S

    def due(self, time_s: float) -> int:
        """The number of steps at the frame of this time; 0 if it lies between two steps."""
        if self._start_s is None:
            self._start_s = time_s
        self._last_s = time_s
        reached = 1 + math.floor((time_s - self._start_s + _TOLERANCE_S) / self._interval_s)
        due, self._steps = max(0, reached - self._steps), max(reached, self._steps)
        return due

    def reset(self) -> None:
        """Makes the next frame the first of a clip."""
        self._start_s, self._steps = None, 0
