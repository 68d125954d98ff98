"""Which frames a recurrent model takes a step at: by elapsed time, so that clips of different frame rates agree.

Steps lie on a grid of ``frame_interval_s`` from the first frame on. A frame takes all steps since the frame before it.
So a frame between two steps takes none, and a frame after a pause of several intervals takes several.
"""

from __future__ import annotations

import math

__all__ = ["StepClock", "longest_gap_s"]

_TOLERANCE_S = 0.002  # containers round times to a millisecond
_MIN_GAP_S = 1.0
_GAP_INTERVALS = 8


def longest_gap_s(interval_s: float) -> float:
    """The longest pause between two frames that belong together; after a longer one, a new clip begins."""
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
        """Whether a frame at this time begins a new clip: the time runs backward, or after too long a gap."""
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
        """The next frame is the first of a clip."""
        self._start_s, self._steps = None, 0
