"""Whether a frame of a camera, a stream or a video is fit to be decided on: no answer beats a wrong one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edgecnn.errors import DataError
from edgecnn.runtime.frame_measures import FrameMeasures, measure_frame
from edgecnn.runtime.health_thresholds import HealthThresholds
from edgecnn.runtime.sources.frame import Frame

__all__ = ["FrameHealth", "LearntHealth", "learn_thresholds"]

_LEAST_FRAMES = 30
_LEAST_FIT_SHARE = 0.5
_SMOOTHEST = 0.25  # sharpness of a ramp: a step is a quarter of four


class FrameHealth:
    """Checks the frames of one source, in their order; keeps what it must know of those before. Pictures from files are always fit."""

    def __init__(self, thresholds: HealthThresholds | None = None) -> None:
        self.thresholds = thresholds or HealthThresholds()
        self._before: FrameMeasures | None = None
        self._still_since_s: float | None = None

    def check(self, frame: Frame, now_s: float | None = None) -> str | None:
        """Why the frame is unfit, None where it is fit.

        Args:
            frame: the next one.
            now_s: the monotonic clock's time; None: now.
        """
        if frame.kind == "picture":
            return None
        found = measure_frame(frame.image)
        before, self._before = self._before, found
        still_s = self._still_for_s(frame, found, before)
        return self._too_old(frame, now_s) or self._unfit(found) or self._frozen(still_s) or self._torn(found, before)

    def _too_old(self, frame: Frame, now_s: float | None) -> str | None:
        if frame.kind != "stream":
            return None
        age_s = (time.monotonic() if now_s is None else now_s) - frame.captured_monotonic_s
        limit_s = self.thresholds.oldest_s
        return f"too old: taken {age_s:.1f} s ago, at most {limit_s:g} s are allowed" if age_s > limit_s else None

    def _unfit(self, found: FrameMeasures) -> str | None:
        """By the frame alone."""
        t = self.thresholds
        if (dark := found.share_below(t.dark_level)) > t.dark_share:
            return f"black: {dark:.1%} of it below level {t.dark_level:g} of 255, at most {t.dark_share:.1%} are allowed"
        if (bright := found.share_above(t.bright_level)) > t.bright_share:
            return f"overexposed: {bright:.1%} of it above level {t.bright_level:g} of 255, at most {t.bright_share:.1%} are allowed"
        if found.missing:
            return f"torn: the lower {found.missing:.0%} of it is missing"
        if found.sharpness is not None and found.sharpness < t.least_sharpness:
            return f"blurred: sharpness {found.sharpness:.3f}, at least {t.least_sharpness:.3f} is expected"
        return None

    def _still_for_s(self, frame: Frame, found: FrameMeasures, before: FrameMeasures | None) -> float:
        time_s = frame.captured_monotonic_s if frame.media_time_s is None else frame.media_time_s
        if before is None or found.difference(before) > self.thresholds.still_difference or self._still_since_s is None:
            self._still_since_s = time_s
        return time_s - self._still_since_s

    def _frozen(self, still_s: float) -> str | None:
        limit_s = self.thresholds.still_s
        return f"frozen: the same picture for {still_s:.1f} s, less than {limit_s:g} s is expected" if still_s >= limit_s else None

    def _torn(self, found: FrameMeasures, before: FrameMeasures | None) -> str | None:
        seam = 0.0 if before is None else found.seam(before)
        limit = self.thresholds.seam_share
        return f"torn: a seam over {seam:.0%} of its width, at most {limit:.0%} is allowed" if seam > limit else None


@dataclass(frozen=True)
class LearntHealth:
    """Limits for one camera, and what they were learnt from."""

    thresholds: HealthThresholds
    frames: int
    unfit: int  # of these by the default limits, and left out


def learn_thresholds(frames: Iterable[Frame]) -> LearntHealth:
    """Limits from about a minute of a camera's own frames while it works as it should.

    Sharpness may fall half way from the camera's own least to that of a perfectly smooth picture, the burnt-out share may rise by half of what is
    left to 1, and frames count as the same where they differ by less than half of what its noise makes the quietest parts of two frames differ.
    What is dark depends on the hour: that limit stays.

    Raises:
        DataError: too few frames, or most of them unfit by the default limits.
    """
    health = FrameHealth(HealthThresholds(least_sharpness=0.0))  # a soft lens is what it is
    measured: list[FrameMeasures] = []
    seen = 0
    for frame in frames:
        seen += 1
        if health.check(replace(frame, kind="video")) is None:  # of any age
            measured.append(measure_frame(frame.image))
    if seen < _LEAST_FRAMES:
        raise DataError(f"{seen} frames are too few to learn from, at least {_LEAST_FRAMES} are needed; give the camera a minute")
    if len(measured) < max(_LEAST_FRAMES, _LEAST_FIT_SHARE * seen):
        raise DataError(f"{seen - len(measured)} of {seen} frames are black, overexposed, frozen or torn; mend the camera first")
    return LearntHealth(_limits(measured), seen, seen - len(measured))


def _limits(measured: list[FrameMeasures]) -> HealthThresholds:
    default = HealthThresholds()
    sharp = [m.sharpness for m in measured if m.sharpness is not None]
    bright = float(np.quantile([m.share_above(default.bright_level) for m in measured], 0.99))
    noise = float(np.quantile([b.least_difference(a) for a, b in pairwise(measured)], 0.01))
    return replace(
        default,
        least_sharpness=round((_SMOOTHEST + float(np.quantile(sharp, 0.01))) / 2 if sharp else default.least_sharpness, 4),
        bright_share=round((1 + bright) / 2, 4),
        still_difference=round(max(default.still_difference, noise / 2), 4),
    )
