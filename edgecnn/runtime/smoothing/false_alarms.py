"""Metrics of smoothed answers: false alarms per hour, delay, and share of correct time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import poisson_interval
from edgecnn.runtime.decision import Status

__all__ = ["UNLABELLED", "Counted", "Counts", "Track", "count", "tally"]

UNLABELLED = -1
_SAME_S = 1e-6  # times of frames are equal up to here


@dataclass(frozen=True, eq=False)
class Track:
    """The predictions and true labels of the frames of a clip. F frames, C labels."""

    name: str
    times_s: NDArray[np.float64]  # [F], rising
    statuses: Sequence[Status]  # F
    probabilities: NDArray[np.float32]  # [F, C]
    truth: NDArray[np.intp]  # [F]: a label, C for what is none of them, UNLABELLED where nothing is known

    @property
    def lasts_s(self) -> NDArray[np.float64]:
        """Duration of each frame in seconds, ``[F]``; the last has the typical duration."""
        steps = np.diff(self.times_s)  # [F - 1]
        return np.append(steps, np.median(steps) if len(steps) else 0.0)

    @property
    def labelled_s(self) -> float:
        """Labelled duration, in seconds."""
        return float(self.lasts_s[self.truth != UNLABELLED].sum())

    def part(self, start: int, stop: int) -> Track:
        """Returns the frames from ``start`` to ``stop`` as a track."""
        where = slice(start, stop)
        name = f"{self.name} [{self.times_s[start]:.1f} s …]"
        return Track(
            name=name,
            times_s=self.times_s[where],
            statuses=self.statuses[where],
            probabilities=self.probabilities[where],
            truth=self.truth[where],
        )


@dataclass(frozen=True)
class Counted:
    """Counts for one track."""

    false_alarms: int
    labelled_s: float
    right_s: float
    delays_s: tuple[float, ...]  # from each time a label begins to be true until it stood
    missed: int  # how often it never did


@dataclass(frozen=True)
class Counts:
    """Counts and rates for all tracks."""

    false_alarms: int
    hours: float  # of known truth
    per_hour: float
    interval: tuple[float, float]  # 95 %, of the rate per hour
    right: float  # share of the time, as a fraction
    onsets: int  # how often a label other than the background began to be true
    missed: int
    mean_delay_s: float | None  # of those not missed
    longest_delay_s: float | None


def count(track: Track, stands: NDArray[np.intp], allowance_s: float, background: int | None) -> Counted:
    """Compares smoothed answers with the true labels.

    Args:
        track: frames and truth.
        stands: smoothed class index after each frame, ``[F]``; C for unknown, UNLABELLED for no decision. Neither is
            an alarm.
        allowance_s: a change to a label that was true within this time before, in seconds, is late, not false.
        background: index of a label that is never an alarm.
    """
    times_s, truth, classes = track.times_s, track.truth, track.probabilities.shape[1]
    before = np.append(UNLABELLED, stands[:-1])  # [F]
    quiet = {UNLABELLED, classes, background}
    false_alarms = 0
    for i in np.flatnonzero(stands != before):
        since = int(np.searchsorted(times_s, times_s[i] - allowance_s - _SAME_S))
        false_alarms += int(stands[i]) not in quiet and truth[i] != UNLABELLED and stands[i] not in truth[since : i + 1]
    delays = [
        _delay(times_s, stands, start, stop, int(truth[start]))
        for start, stop in _spans(truth)
        if int(truth[start]) not in quiet
    ]
    found = tuple(delay for delay in delays if delay is not None)
    lasts_s = track.lasts_s
    right_s = float(lasts_s[(stands == truth) & (truth != UNLABELLED)].sum())
    return Counted(
        false_alarms=int(false_alarms),
        labelled_s=track.labelled_s,
        right_s=right_s,
        delays_s=found,
        missed=len(delays) - len(found),
    )


def tally(counted: Iterable[Counted]) -> Counts:
    """Sums the counts of tracks and computes rates."""
    parts = list(counted)
    false_alarms, hours = sum(p.false_alarms for p in parts), sum(p.labelled_s for p in parts) / 3600
    delays = [delay for p in parts for delay in p.delays_s]
    missed = sum(p.missed for p in parts)
    low, high = _interval(false_alarms)
    return Counts(
        false_alarms=false_alarms,
        hours=hours,
        per_hour=false_alarms / hours,
        interval=(low / hours, high / hours),
        right=sum(p.right_s for p in parts) / (hours * 3600),
        onsets=len(delays) + missed,
        missed=missed,
        mean_delay_s=sum(delays) / len(delays) if delays else None,
        longest_delay_s=max(delays, default=None),
    )


@cache
def _interval(events: int) -> tuple[float, float]:
    """Hundreds of settings have as many false alarms as others."""
    return poisson_interval(events)


def _spans(truth: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Returns the runs of equal true labels, as ``start, stop``."""
    edges = [0, *(np.flatnonzero(np.diff(truth)) + 1).tolist(), len(truth)]
    return list(pairwise(edges))


def _delay(times_s: NDArray[np.float64], stands: NDArray[np.intp], start: int, stop: int, label: int) -> float | None:
    found = np.flatnonzero(stands[start:stop] == label)
    return float(times_s[start + found[0]] - times_s[start]) if len(found) else None
