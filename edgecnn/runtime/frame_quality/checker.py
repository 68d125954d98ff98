"""Checks the quality of frames of cameras, streams and videos. A frame that fails gets no prediction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgecnn.runtime.frame_quality.metrics import FrameMeasures, measure_frame
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from edgecnn.runtime.frame_quality.view_check import ViewCheck, ViewShift

__all__ = ["FrameHealth", "FrameQualityChecker"]


class FrameQualityChecker:
    """Checks the frames of one source, in order, with state from earlier frames. Image files always pass.

    Of a region of a frame (:meth:`edgecnn.runtime.streaming.region.Region.crop`) the region alone is checked, but for
    the view, which is that of the whole frame. To check several regions of a source, give references to one checker.
    """

    def __init__(self, thresholds: FrameQualityThresholds | None = None) -> None:
        self.thresholds = thresholds or FrameQualityThresholds()
        self._before: FrameMeasures | None = None
        self._still_since_s = 0.0
        self._breaks = 0  # changes in a row
        self._view: ViewCheck | None = None
        if self.thresholds.references:
            # Not at the top: without references nothing of it is needed
            from edgecnn.runtime.frame_quality.view_check import ViewCheck  # noqa: PLC0415

            self._view = ViewCheck(self.thresholds)

    @property
    def view_shift(self) -> ViewShift | None:
        """How the view lay against the reference when it was last compared.

        None without references, before the first comparison, and where the view was not found.
        """
        return None if self._view is None else self._view.shift

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
        return (
            self._too_old(frame, now_s)
            or self._unfit(found)
            or self._other_view(frame)
            or self._blurred(found)
            or self._frozen(still_s)
        )

    def _other_view(self, frame: Frame) -> str | None:
        if self._view is None:
            return None
        return self._view.check(frame.image if frame.whole is None else frame.whole, frame.color, frame.time_s)

    def _too_old(self, frame: Frame, now_s: float | None) -> str | None:
        if frame.kind != "stream":
            return None
        age_s = (time.monotonic() if now_s is None else now_s) - frame.captured_monotonic_s
        limit_s = self.thresholds.oldest_s
        return f"too old: captured {age_s:.1f} s ago, at most {limit_s:g} s is allowed" if age_s > limit_s else None

    def _unfit(self, found: FrameMeasures) -> str | None:
        """Returns why the frame is black, overexposed or torn, or None."""
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
        return None

    def _blurred(self, found: FrameMeasures) -> str | None:
        """After the view: of a lens that is covered, that it is covered says more than that it is blurred."""
        least = self.thresholds.least_sharpness
        if found.sharpness is not None and found.sharpness < least:
            return f"blurred: sharpness {found.sharpness:.3f}, at least {least:.3f} is expected"
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
