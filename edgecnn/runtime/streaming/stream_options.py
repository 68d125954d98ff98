"""Options of a stream of answers."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.errors import UsageError
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds

if TYPE_CHECKING:
    from edgecnn.runtime.smoothing.smoother import SmoothingOptions
    from edgecnn.runtime.sources.capture.live_options import LiveOptions
    from edgecnn.runtime.streaming.region import Region

__all__ = ["LARGEST_BATCH", "StreamOptions"]

LARGEST_BATCH = 65_536


@dataclass(frozen=True)
class StreamOptions:
    """Options of :meth:`edgecnn.runtime.classifier.Classifier.stream`."""

    batch: int = 1  # images an inference
    every: int = 1  # take every N-th frame
    max_frames: int | None = None  # stop after so many
    live: LiveOptions | None = None  # how cameras and streams are watched; None: as usual
    # Of videos, cameras and streams; None: every frame is fit
    health: FrameQualityThresholds | None = field(default_factory=FrameQualityThresholds)
    smoothing: SmoothingOptions | None = None  # of the same; None: each frame's answer stands alone
    on_change: bool = False  # only answers that differ from the one before
    fps: float | None = None  # frames per second of folders of frames; None: that of the training clips
    per_clip: bool = False  # one answer a video or folder of frames, that at its end; of recurrent models alone
    region: Region | None = None  # the part of each image and frame that is checked and classified; None: all of it

    @property
    def region_text(self) -> str | None:
        """The region as answers name it."""
        return None if self.region is None else str(self.region)

    def __post_init__(self) -> None:
        for name, value, most in (
            ("batch", self.batch, LARGEST_BATCH),
            ("every", self.every, sys.maxsize),
            ("max_frames", self.max_frames, sys.maxsize),
        ):
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}, expected at least 1")
            if value is not None and value > most:
                raise UsageError(f"{name} is {value}, expected at most {most:,}")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(f"fps is {self.fps:g}, expected more than 0")
        if self.per_clip and self.max_frames is not None:
            raise UsageError("--max-frames would cut a clip short, so --per-clip has no answer; leave one of them out")
