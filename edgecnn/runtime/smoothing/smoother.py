"""Smooths predictions over frames: votes over a time window, thresholds with hysteresis, and a minimum hold time.

Unknown is an additional label here, with index C: unknown frames vote for it, and it is the answer if no label reaches
its threshold.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.atomic import write_text
from edgecnn.error_text import format_remedy
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.runtime.decision import Status

__all__ = ["Held", "Method", "Smoothed", "Smoother", "SmoothingOptions", "Window", "read_smoothing", "write_smoothing"]

Method = Literal["none", "average", "majority"]

_SCHEMA_VERSION = 1
_TIE = 1e-9  # a label that stands is not given up for one that has as much
_SAME_S = 1e-6  # frames at 0.1, 0.2 and 0.3 s are not 0.1 s apart to the last digit


@dataclass(frozen=True)
class SmoothingOptions:
    """Smoothing options. The defaults change nothing: the answer is that of each frame.

    Raises:
        UsageError: an option has an invalid value.
    """

    # Average: of the probabilities; majority: votes, and the score is their share; none: the newest frame alone
    method: Method = "none"
    window_s: float = 0.0  # how far back votes count
    enter: float = 0.0  # score at which a new label may be taken, as a fraction
    leave: float = 0.0  # score below which the label that stands is given up
    hold_s: float = 0.0  # how long a new label must last before it is taken
    gap_s: float = 2.0  # so long without a vote: there is no decision any more

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise UsageError(f"method is '{self.method}', expected {', '.join(get_args(Method))}")
        for name in ("window_s", "enter", "leave", "hold_s", "gap_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise UsageError(f"{name} is {value!r}, expected a number of at least 0")
        if not self.leave <= self.enter <= 1:
            raise UsageError(
                f"leave is {self.leave:g} and enter {self.enter:g}; expected leave <= enter <= 1, or labels flicker "
                "between the two"
            )
        if self.gap_s == 0 or self.gap_s < max(self.window_s, self.hold_s):
            raise UsageError(
                f"gap_s is {self.gap_s:g}, expected more than 0 and no less than window_s {self.window_s:g} and "
                f"hold_s {self.hold_s:g}"
            )

    @property
    def longest_delay_s(self) -> float:
        """Longest delay in seconds between a clear change and the answer: window plus hold time."""
        return (0.0 if self.method == "none" else self.window_s) + self.hold_s


def write_smoothing(path: Path, options: SmoothingOptions) -> None:
    """Writes the options as JSON. Raises :class:`edgecnn.errors.OutputError`."""
    write_text(path, json.dumps({"schema_version": _SCHEMA_VERSION, **asdict(options)}, indent=2) + "\n")


def read_smoothing(path: Path) -> SmoothingOptions:
    """Reads the output of :func:`write_smoothing`.

    Raises:
        InputNotFoundError: the file does not exist.
        UsageError: the file has no smoothing options, or has another schema version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such file; create it with `edgecnn tune`") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read as JSON: {error}; write it again with `edgecnn tune`") from error
    if not isinstance(found, dict) or "schema_version" not in found:
        raise UsageError(
            f"{path}: no smoothing settings: expected an object with schema_version {_SCHEMA_VERSION}; write it with "
            "`edgecnn tune`"
        )
    version = found.pop("schema_version")
    if version != _SCHEMA_VERSION:
        raise UsageError(
            f"{path}: schema_version is {version!r}, this version reads {_SCHEMA_VERSION}; "
            f"{format_remedy(version, _SCHEMA_VERSION, 'write it again with `edgecnn tune`')}"
        )
    return _options(path, found)


def _options(path: Path, found: dict[str, Any]) -> SmoothingOptions:
    names = [f.name for f in fields(SmoothingOptions)]
    if strange := sorted(found.keys() - set(names)):
        raise UsageError(f"{path}: unknown setting '{strange[0]}'; known settings: {', '.join(names)}")
    try:
        return SmoothingOptions(**found)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Smoothed:
    """The smoothed answer after a frame."""

    status: Literal["ok", "unknown", "no_decision"]
    index: int | None  # of the label; None unless the status is `ok`
    score: float | None  # its mean probability or its share of votes; None unless the status is `ok`
    changed: bool  # another status or label than the update before gave; a start without a decision is no change
    reason: str | None  # why the status is not `ok`


class Window:
    """The votes of the last ``window_s`` seconds.

    Args:
        classes: number of classes C, without unknown.
        method: kind of vote.
        window_s: length of the window, in seconds. The newest vote always counts.
        allowed_indices: indices of the classes that may be the answer; None: all.
    """

    def __init__(
        self, classes: int, method: Method, window_s: float, allowed_indices: AbstractSet[int] | None = None
    ) -> None:
        self._classes = classes
        self._disallowed = [] if allowed_indices is None else [i for i in range(classes) if i not in allowed_indices]
        self._method = method
        self._window_s = 0.0 if method == "none" else window_s
        self._votes: deque[tuple[float, NDArray[np.float64]]] = deque()

    def add(
        self, time_s: float, status: Status, probabilities: NDArray[np.floating] | None
    ) -> NDArray[np.float64] | None:
        """Adds the vote of a frame.

        Returns the share of each label, that of unknown last, ``[C + 1]``; None if the frame has no vote.
        """
        vote = self._vote(status, probabilities)
        if vote is None:
            return None
        self._votes.append((time_s, vote))
        while self._votes[0][0] <= time_s - self._window_s + _SAME_S and len(self._votes) > 1:
            self._votes.popleft()
        if len(self._votes) == 1:
            return vote
        # [C + 1]; summed anew: errors do not add up over months
        shares: NDArray[np.float64] = np.mean([v for _, v in self._votes], axis=0)
        return shares

    def _vote(self, status: Status, probabilities: NDArray[np.floating] | None) -> NDArray[np.float64] | None:
        if status not in ("ok", "unknown"):
            return None
        vote = np.zeros(self._classes + 1)
        if status == "unknown":
            vote[-1] = 1
            return vote
        if probabilities is None or probabilities.shape != (self._classes,):
            shape = None if probabilities is None else probabilities.shape
            raise UsageError(f"probabilities of an `ok` frame have the shape {shape}, expected ({self._classes},)")
        if not np.isfinite(probabilities).all():
            return None
        if self._method == "majority":
            vote[int(probabilities.argmax())] = 1
        else:
            vote[:-1] = probabilities
        if self._disallowed:  # a class that is not allowed does not become allowed by many votes
            vote[-1] += vote[self._disallowed].sum()
            vote[self._disallowed] = 0
        return vote


class Held:
    """The current label, and the rules for changing it (thresholds, hold time, gap).

    Args:
        options: smoothing options; ``method`` and ``window_s`` are not used here.
    """

    def __init__(self, options: SmoothingOptions) -> None:
        self._options = options
        self._next: int | None = None  # the candidate label, and since when
        self._since_s = 0.0
        self._voted_s: float | None = None
        self.label: int | None = None  # C is unknown; None: no decision

    @property
    def silent_since_s(self) -> float | None:
        """Time of the last vote, in seconds; None if there was none."""
        return self._voted_s

    def step(self, time_s: float, shares: NDArray[np.float64] | None) -> int | None:
        """Returns the class index after a frame, C for unknown; None without a decision.

        Args:
            time_s: time of the frame, not before that of the previous step.
            shares: shares of the votes, ``[C + 1]``; None if the frame had no vote.
        """
        options = self._options
        if self._voted_s is not None and time_s - self._voted_s > options.gap_s + _SAME_S:
            self.label = self._next = None
        if shares is None:
            return self.label
        self._voted_s = time_s
        wanted = self._wanted(shares)
        if wanted == self.label:
            self._next = None
            return wanted
        if wanted != self._next:
            self._next, self._since_s = wanted, time_s
        if time_s - self._since_s >= options.hold_s - _SAME_S:
            self.label, self._next = wanted, None
        return self.label

    def _wanted(self, shares: NDArray[np.float64]) -> int:
        best, held, unknown = int(shares.argmax()), self.label, len(shares) - 1
        if held is not None and shares[held] >= shares[best] - _TIE:
            best = held
        if best != held and shares[best] >= self._options.enter - _TIE:
            return best
        if held is not None and shares[held] >= self._options.leave - _TIE:
            return held
        return unknown


class Smoother:
    """Smooths the predictions of one source.

    Args:
        labels: labels in the order of the probabilities.
        options: smoothing options.
        allowed_indices: indices of the classes that may be the answer (``allow`` and ``deny``); None: all. The
            probabilities of the others count for unknown.
    """

    def __init__(
        self, labels: Sequence[str], options: SmoothingOptions, allowed_indices: AbstractSet[int] | None = None
    ) -> None:
        self._labels = tuple(labels)
        self._options = options
        self._allowed_indices = allowed_indices
        self._time_s = -math.inf
        self._told: int | None
        self._shares: NDArray[np.float64]  # of the newest vote
        self._start()

    def update(self, time_s: float, status: Status, probabilities: NDArray[np.floating] | None) -> Smoothed:
        """Adds the prediction of a frame; returns the smoothed answer.

        Args:
            time_s: time of the frame on a monotonic clock, or its position in a video. If it goes back, smoothing
                starts again.
            status: an `ok` frame votes by its probabilities, an `unknown` one for unknown; others have no vote.
            probabilities: ``[C]``; required if the status is `ok`.

        Raises:
            UsageError: the number of probabilities of an `ok` frame is not the number of labels.
        """
        if time_s < self._time_s:
            self._start()
        self._time_s = time_s
        shares = self._window.add(time_s, status, probabilities)
        label = self._held.step(time_s, shares)
        self._shares = self._shares if shares is None else shares
        changed = label != self._told
        self._told = label
        return self._smoothed(label, changed=changed)

    def _start(self) -> None:
        self._told, self._shares = None, np.zeros(len(self._labels) + 1)
        self._window = Window(len(self._labels), self._options.method, self._options.window_s, self._allowed_indices)
        self._held = Held(self._options)

    def _smoothed(self, label: int | None, *, changed: bool) -> Smoothed:
        if label is None:
            return Smoothed(status="no_decision", index=None, score=None, changed=changed, reason=self._why_undecided())
        if label == len(self._labels):
            return Smoothed(status="unknown", index=None, score=None, changed=changed, reason=self._why_unknown())
        return Smoothed(status="ok", index=label, score=float(self._shares[label]), changed=changed, reason=None)

    def _why_undecided(self) -> str:
        since = self._held.silent_since_s
        if since is None:
            return "smoothing: no frame could be classified yet"
        if since < self._time_s:
            return f"smoothing: no frame could be classified for {self._time_s - since:.1f} s"
        return f"smoothing: no label has lasted {self._options.hold_s:g} s yet"

    def _why_unknown(self) -> str:
        best = int(self._shares.argmax())
        if best == len(self._labels):
            return "smoothing: most frames are unknown"
        score = self._shares[best]
        if score >= self._options.enter - _TIE:
            return f"smoothing: '{self._labels[best]}' has not lasted {self._options.hold_s:g} s yet"
        return f"smoothing: '{self._labels[best]}' ({score:.2f}) does not reach {self._options.enter:.2f}"
