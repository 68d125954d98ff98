"""The state of a recurrent model for one source: when it takes a step, and when it is reset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.data.clips.sampling import StepClock
from edgecnn.runtime.temporal.scene_cuts import SceneCuts
from edgecnn.runtime.temporal.step_rate import StepRate

if TYPE_CHECKING:
    from edgecnn.preprocess import Image
    from edgecnn.runtime.session.model_session import ModelSession, Outputs
    from edgecnn.runtime.sources.frame import Frame

__all__ = ["SourceState"]


class SourceState:
    """What a recurrent model remembers of one source.

    For each frame that is fit to be classified, in order: call :meth:`due`; if it returns at least 1, call
    :meth:`step`. Frames that are left out do not change the state. The state is reset by :meth:`reset`, after a gap in
    time (:func:`edgecnn.data.clips.sampling.longest_gap_s`), when the time runs backward, when the size of the frames
    changes, and at a cut.

    Args:
        name: of the source, for messages.
        session: a step file.
        detect_cuts: whether a cut resets the state.
    """

    def __init__(self, name: str, session: ModelSession, *, detect_cuts: bool = True) -> None:
        assert session.manifest.temporal is not None
        interval_s = session.manifest.temporal.frame_interval_s
        self.name = name
        self._session = session
        self._clock = StepClock(interval_s)
        self._rate = StepRate(name, interval_s)
        self._cuts = SceneCuts() if detect_cuts else None
        self._shape: tuple[int, ...] | None = None  # of the frames
        self._reset_wanted = False
        self._values = session.start(1)  # float32 [1, S]
        self._time_s = 0.0
        self._since_last_s = 0.0
        self._step_s = 0.0  # how long the last step took
        self.last: Outputs | None = None
        """The outputs of the last step; None if there was none since the last reset."""
        self.steps = 0
        """Steps since the last reset. After the first, the model has seen no change yet."""

    @property
    def values(self) -> list[float]:
        """The packed state, S numbers."""
        found: list[float] = self._values[0].tolist()
        return found

    def reset(self) -> None:
        """The next frame starts a clip, from a state of zeros. Another thread may call this."""
        self._reset_wanted = True

    def due(self, frame: Frame) -> int:
        """The number of steps at this frame; 0 between two steps, where the last answer still holds."""
        live, time_s = frame.media_time_s is None, frame.time_s
        if self._reset_wanted or frame.image.shape != self._shape or self._clock.breaks(time_s):
            self._begin_anew()
        self._shape = frame.image.shape
        self._since_last_s, self._time_s = time_s - self._time_s, time_s
        count = self._clock.due(time_s)
        if self.last is None:
            return 1  # the first frame of a clip starts its clock
        if live and count:
            self._rate.add(time_s)
            count = min(count, self._affordable())
        return count

    def step(self, row: Image, count: int) -> Outputs:
        """Takes the steps that are due at a frame.

        Args:
            row: the preprocessed frame, uint8 ``[H, W, 3]`` RGB.
            count: what :meth:`due` returned, at least 1.

        Returns:
            The outputs after the last of these steps.
        """
        if self._cuts is not None and self._cuts.is_cut(row):
            self._begin_anew()
            self._clock.due(self._time_s)
            self._cuts.is_cut(row)  # the first frame of its scene
            count = 1
        begin = time.perf_counter()
        for _ in range(count):
            found = self._session.step(row[None], self._values)
            assert found.state is not None
            self._values = found.state
        self._step_s = (time.perf_counter() - begin) / count
        self.last = found
        self.steps += count
        if not np.isfinite(self._values).all():  # it would make every later answer invalid too
            self.reset()
        return found

    def _affordable(self) -> int:
        """How many steps fit into the time between two frames; more would delay a late source further."""
        return max(1, int(self._since_last_s / max(self._step_s, 1e-6)))

    def _begin_anew(self) -> None:
        self._reset_wanted = False
        self._clock.reset()
        self._rate.restart()
        self._values = self._session.start(1)
        self.last, self.steps = None, 0
        if self._cuts is not None:
            self._cuts.forget()
