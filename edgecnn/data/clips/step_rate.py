"""How often a recurrent model takes a step, chosen from the frame rates of its training clips."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.data.clips.clip_folder import ClipFile, ClipFolder

__all__ = ["StepRate", "choose_step_rate", "frame_rates"]

_USUAL_STEPS_PER_S = 10.0


@dataclass(frozen=True)
class StepRate:
    """How often the network takes a step."""

    interval_s: float  # from one step to the next
    stride: int  # source frames per step at the median frame rate of the clips


def frame_rates(clips: Sequence[ClipFile], fps: float) -> list[float]:
    """Frames per second of each clip: of a video by its header, of a folder of frames ``fps``."""
    from edgecnn.video.reader import video_rate  # noqa: PLC0415  # folders of frames need no video decoder

    return [fps if clip.path.is_dir() else video_rate(str(clip.path)) for clip in clips]


def choose_step_rate(folder: ClipFolder, fps: float, steps_per_s: float | None) -> StepRate:
    """The rate that the user asks for, or about ten steps per second: every n-th frame at the clips' median frame rate.

    Args:
        folder: the clips.
        fps: frames per second of folders of frames.
        steps_per_s: what the user asks for; None: about ten.
    """
    usual = statistics.median(frame_rates(folder.clips, fps))
    if steps_per_s is None:
        stride = max(1, round(usual / _USUAL_STEPS_PER_S))
        return StepRate(stride / usual, stride)
    return StepRate(1 / steps_per_s, max(1, round(usual / steps_per_s)))
