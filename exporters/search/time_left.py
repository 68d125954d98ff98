"""The time of a search: what is left, and how long a training will take."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from edgecnn.image_size import height_width
from edgecnn.training.models.registry import find_model
from exporters.search.network_choice import NetworkChoice
from exporters.search.options import SearchOptions
from exporters.search.state import SearchFolder

__all__ = ["TimeLeft"]

_FIXED_S = 20.0  # of a trial: reading images, tracing, writing
_RESERVED_S = 60.0  # for the last timing and the report
_BACKWARD = 2.0  # times the forward pass


@dataclass(eq=False)
class TimeLeft:
    """Learns from each trial how long the next will take."""

    reference: NetworkChoice
    budget_s: float
    before_s: float  # spent by earlier runs
    started: float = field(default_factory=time.monotonic)
    _rates: list[float] = field(default_factory=list)  # seconds per multiply-accumulate of an image

    @classmethod
    def begin(cls, options: SearchOptions, folder: SearchFolder, reference: NetworkChoice) -> TimeLeft:
        """The clock of a run that starts now."""
        return cls(reference, 60 * options.time_budget_min, folder.spent_s())

    def spent_s(self) -> float:
        """Seconds of all runs."""
        return self.before_s + time.monotonic() - self.started

    def left_s(self) -> float:
        """Seconds of the budget that are left; below 0 where it is overdrawn."""
        return self.budget_s - self.spent_s()

    def learn(self, choice: NetworkChoice, seconds: float) -> None:
        """Takes in how long a trial took."""
        self._rates.append(max(seconds - _FIXED_S, 1.0) / self._work(choice))

    def fits(self, choice: NetworkChoice) -> bool:
        """Whether a network can be trained before the time is over, by the trials before it."""
        rate = statistics.median(self._rates)  # other work on the machine may have made one take ten times as long
        return _FIXED_S + rate * self._work(choice) <= self.left_s() - _RESERVED_S

    def _work(self, choice: NetworkChoice) -> float:
        """Multiply-accumulates of a training step, for one image: forward, backward, and the teacher's answer."""
        taught = 0.0 if choice == self.reference else _macs(self.reference)
        return _macs(choice) * (1 + _BACKWARD) + taught


def _macs(choice: NetworkChoice) -> float:
    spec = find_model(choice.model)
    side, _ = height_width(spec.imgsz)
    whole = spec.size.macs if spec.size is not None else 1.0
    return whole * (choice.imgsz / side) ** 2 * (1 - choice.pruned)
