"""Checks the quality of frames of cameras, streams and videos. A frame that fails gets no prediction."""

from __future__ import annotations

import time

from edgecnn.runtime.frame_quality.metrics import FrameMeasures, measure_frame
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.frame import Frame

__all__ = ["FrameHealth", "FrameQualityChecker"]


class FrameQualityChecker:
    """Checks the frames of one source, in order, with state from earlier frames. Image files always pass."""

    def __init__(self, thresholds: FrameQualityThresholds | None = None) -> None:
        self.thresholds = thresholds or FrameQualityThresholds()
        self._before: FrameMeasures | None = None
        self._still_since_s = 0.0
        self._breaks = 0  # changes in a row

    def check(self, frame: Frame, now_s: float | None = None) -> str | None:
        """Returns why the frame fails, or None if it passes.

        Args:
            frame: the next frame.
            now_s: time on the monotonic clock, in seconds; None: now.
        """
        if frame.kind == "image":
            return None
        found = measure_frame(frame.image)
        before, self._before = self._before, found
        still_s = self._still_for_s(frame, found, before)
        return self._too_old(frame, now_s) or self._unfit(found) or self._frozen(still_s)

    def _too_old(self, frame: Frame, now_s: float | None) -> str | None:
        if frame.kind != "stream":
            return None
        age_s = (time.monotonic() if now_s is None else now_s) - frame.captured_monotonic_s
        limit_s = self.thresholds.oldest_s
        return f"too old: captured {age_s:.1f} s ago, at most {limit_s:g} s is allowed" if age_s > limit_s else None

    def _unfit(self, found: FrameMeasures) -> str | None:
        """Returns why the frame fails the checks that need no earlier frame, or None."""
        t = self.thresholds
        if found.is_darker(t.dark_level, t.dark_share) and found.shape < t.dark_shape:
            dark = found.share_below(t.dark_level)
            return (
                f"black: {dark:.1%} of it below level {t.dark_level} of 255 and without structure, at most "
                f"{t.dark_share:.1%} are allowed"
            )
        if found.is_burnt(t.bright_level, t.bright_share):
            burnt = found.burnt_share(t.bright_level)
            return f"overexposed: {burnt:.1%} of it saturated, at most {t.bright_share:.1%} are allowed"
        if found.filled > t.filled_share:
            return (
                f"torn: one row repeated over the lower {found.filled:.0%} of it, at most {t.filled_share:.0%} are "
                "allowed"
            )
        if found.seam > t.seam_share:
            return f"torn: a seam over {found.seam:.0%} of its width, at most {t.seam_share:.0%} is allowed"
        if found.sharpness is not None and found.sharpness < t.least_sharpness:
            return f"blurred: sharpness {found.sharpness:.3f}, at least {t.least_sharpness:.3f} is expected"
        return None

    def _still_for_s(self, frame: Frame, found: FrameMeasures, before: FrameMeasures | None) -> float:
        time_s = frame.time_s
        changed = before is None or found.difference(before) > self.thresholds.still_difference
        self._breaks = self._breaks + 1 if changed else 0
        if before is None or self._breaks >= self.thresholds.still_breaks:
            self._still_since_s = time_s
        return time_s - self._still_since_s

    def _frozen(self, still_s: float) -> str | None:
        limit_s = self.thresholds.still_s
        return (
            f"frozen: the same image for {still_s:.1f} s, less than {limit_s:g} s is expected"
            if still_s >= limit_s
            else None
        )


FrameHealth = FrameQualityChecker
"""The old name of :class:`FrameQualityChecker`, kept for programs that use it."""
