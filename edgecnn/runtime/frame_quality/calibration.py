"""Learns the frame quality thresholds of one camera from its own frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edgecnn.errors import DataError
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.metrics import FrameMeasures, measure_frame
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_check import learned_reference
from edgecnn.runtime.frame_quality.view_reference import ViewLearner
from edgecnn.runtime.sources.frame import Frame

__all__ = ["LearnedThresholds", "learn_thresholds"]

_MIN_FRAMES = 30
_MIN_FIT_SHARE = 0.5
_SOFTER = 0.7  # of the camera's own least sharpness: scenes differ
# Times the default difference: so much noise is never still, and a freeze that is encoded anew can be told from it
_NOISY = 5
_BREAKS = 3  # a whole image within a freeze is another than the one before and the one after


@dataclass(frozen=True)
class LearnedThresholds:
    """Thresholds for one camera, and the numbers of frames they were learned from."""

    thresholds: FrameQualityThresholds
    frames: int
    unfit: int  # of these by the default limits, and left out
    view: bool = False  # whether they have a reference of the view


def learn_thresholds(frames: Iterable[Frame], *, view: bool = False) -> LearnedThresholds:
    """Learns thresholds from about a minute of frames of a camera that works correctly.

    The sharpness threshold is 0.7 of the smallest sharpness seen. The threshold of the overexposed share lies halfway
    between the largest share seen and 1. Frames count as identical if they differ by less than half of the sensor noise
    in the most static parts. A seam or filled area that most frames have is part of the image, for example a split view
    or a text bar. The darkness threshold stays at its default, because darkness depends on the time of day.

    Args:
        frames: of one camera, in order.
        view: also learn a reference of its view, from the whole frames where these are regions: the median of frames
            over the recording. There is none if the camera moves, or if it shows too little to be found again.

    Raises:
        DataError: too few frames, or most frames fail the default thresholds.
    """
    # A soft lens stays soft
    health = FrameQualityChecker(FrameQualityThresholds(least_sharpness=0.0, seam_share=1.0, filled_share=1.0))
    measured: list[FrameMeasures] = []
    learner = ViewLearner() if view else None
    seen = 0
    for frame in frames:
        seen += 1
        if health.check(replace(frame, kind="video")) is None:  # of any age
            measured.append(measure_frame(frame.image))
            if learner is not None:
                learner.add(frame.image if frame.whole is None else frame.whole, frame.color)
    if seen < _MIN_FRAMES:
        raise DataError(
            f"{seen} frames are too few to learn thresholds from, at least {_MIN_FRAMES} are required; "
            "record for about a minute"
        )
    if len(measured) < max(_MIN_FRAMES, _MIN_FIT_SHARE * seen):
        raise DataError(
            f"{seen - len(measured)} of {seen} frames are black, overexposed or frozen; fix the camera first"
        )
    limits = _limits(measured)
    reference = None if learner is None else learned_reference(learner, limits)
    if reference is not None:
        limits = limits.with_references(reference)
    return LearnedThresholds(limits, seen, seen - len(measured), view=reference is not None)


def _limits(measured: Sequence[FrameMeasures]) -> FrameQualityThresholds:
    default = FrameQualityThresholds()
    sharp = [m.sharpness for m in measured if m.sharpness is not None]
    bright = float(np.quantile([m.burnt_share(default.bright_level) for m in measured], 0.99))
    noise = float(np.quantile([b.least_difference(a) for a, b in pairwise(measured)], 0.01))
    return replace(
        default,
        least_sharpness=round(_SOFTER * float(np.quantile(sharp, 0.01)) if sharp else default.least_sharpness, 4),
        bright_share=round((1 + bright) / 2, 4),
        still_difference=round(max(default.still_difference, noise / 2), 4),
        still_breaks=_BREAKS if noise / 2 > _NOISY * default.still_difference else default.still_breaks,
        seam_share=_unless_usual(default.seam_share, [m.seam for m in measured]),
        filled_share=_unless_usual(default.filled_share, [m.filled for m in measured]),
    )


def _unless_usual(limit: float, shares: Sequence[float]) -> float:
    return 1.0 if float(np.median(shares)) > limit else limit
