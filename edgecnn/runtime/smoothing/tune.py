"""Fits smoothing options to labelled clips, within a limit of false alarms per hour.

Options are chosen on one half of the clips and evaluated on the other half.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.frame_rate import clip_rate, note_on_rate
from edgecnn.data.left_out import Reason, left_out_by_reason
from edgecnn.errors import DataError, UsageError
from edgecnn.evaluation.metrics import poisson_interval
from edgecnn.progress import Progress, Reporter, Silent
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Status
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.clips import Clip, find_clips, find_left_out, label_index, read_clip
from edgecnn.runtime.smoothing.false_alarms import UNLABELLED, Counted, Counts, Track, count, tally
from edgecnn.runtime.smoothing.smoother import Held, Method, SmoothingOptions, Window
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from edgecnn.runtime.streaming.region import Region

__all__ = [
    "RAW",
    "TuneOptions",
    "TuneResult",
    "choose_settings",
    "fit_smoothing",
    "halves",
    "run_model",
    "score_smoothing",
    "try_settings",
    "tune",
]

RAW = SmoothingOptions()
"""Each frame's answer as it is."""

_WINDOWS_S = (0.5, 1.0, 2.0, 4.0)
_THRESHOLDS = tuple((enter, leave) for enter in (0.35, 0.5, 0.65, 0.8, 0.9) for leave in (round(enter - 0.2, 2), enter))
_HOLDS_S = (0.0, 0.5, 1.0, 2.0)
_BATCH = 8
_ALIKE = 0.01  # shares that differ by less are no reason to choose
_ALIKE_S = 0.1  # nor are delays


@dataclass(frozen=True)
class TuneOptions:
    """Options of ``edgecnn tune``.

    Raises:
        UsageError: an option has an invalid value.
    """

    budget_per_h: float  # false alarms an hour
    background: str | None = None  # a label to which a change is no alarm
    fps: float | None = None  # of folders of frames; None: as a recurrent model's training clips
    every: int = 1  # take every N-th frame: the rate that the device reaches
    max_delay_s: float = math.inf  # try no setting that may take longer
    gap_s: float = SmoothingOptions.gap_s
    # An unfit frame has no vote; None: all are fit
    health: FrameQualityThresholds | None = field(default_factory=FrameQualityThresholds)
    region: Region | None = None  # the part of each frame that is checked and classified; None: the whole frame

    def __post_init__(self) -> None:
        if not (0 <= self.budget_per_h < math.inf):
            raise UsageError(f"the budget is {self.budget_per_h:g} false alarms an hour, expected 0 or more")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(f"fps is {self.fps:g}, expected more than 0")
        if self.every < 1 or not self.max_delay_s >= 0 or not 0 < self.gap_s < math.inf:
            raise UsageError(
                f"every is {self.every}, the longest delay {self.max_delay_s:g} and gap {self.gap_s:g}: expected 1, "
                "0 and more"
            )


@dataclass(frozen=True)
class TuneResult:
    """The chosen settings, and their metrics on the fitting half and on the evaluation half of the clips."""

    options: SmoothingOptions
    budget_per_h: float
    fitted: Counts  # on the half that chose the settings
    checked: Counts  # on the other
    raw_fitted: Counts  # the same without smoothing
    raw_checked: Counts
    fits: bool  # the fitted half keeps the budget
    passed: bool  # the checked half does
    proven: bool  # so does the upper end of its 95 % interval
    hours_to_prove: float  # hours of clips without a false alarm that would prove the budget; infinity for none
    clips: int
    frames: int
    undecided: int  # of these: unfit, or the model gave no probabilities
    settings_tried: int
    left_out: Mapping[Reason, int] = field(default_factory=dict)  # files in the folders that belong to no clip


def tune(
    classifier: Classifier, sources: Sequence[Path], options: TuneOptions, reporter: Reporter | None = None
) -> TuneResult:
    """Fits smoothing for a model.

    Args:
        classifier: the model.
        sources: clips, see :func:`edgecnn.runtime.smoothing.clips.find_clips`.
        options: limit of false alarms, and how to read the clips.
        reporter: receives stages and progress.

    Raises:
        UsageError, InputNotFoundError, DataError, ImageError, SourceError: the clips cannot be used.
    """
    reporter = reporter or Silent()
    background = _background(classifier, options.background)
    clips = find_clips(sources, classifier.manifest)
    if classifier.states is not None:
        if line := note_on_rate(classifier.manifest, (clip.path for clip in clips), options.fps):
            reporter.say(line)
        options = replace(options, fps=clip_rate(classifier.manifest, options.fps))
    progress = reporter.stage("running the model")
    tracks: list[Track] = []
    for number, clip in enumerate(clips):
        progress(number, len(clips), clip.path.name)
        tracks.append(run_model(classifier, clip, options))
    progress(len(clips), len(clips))
    fitted, checked = halves(tracks)
    chosen, tried = fit_smoothing(fitted, options, background, reporter.stage("trying settings"))
    on_fitted, on_checked = (score_smoothing(half, chosen, background) for half in (fitted, checked))
    budget = options.budget_per_h
    return TuneResult(
        options=chosen,
        budget_per_h=budget,
        fitted=on_fitted,
        checked=on_checked,
        raw_fitted=score_smoothing(fitted, RAW, background),
        raw_checked=score_smoothing(checked, RAW, background),
        fits=on_fitted.per_hour <= budget,
        passed=on_checked.per_hour <= budget,
        proven=on_checked.interval[1] <= budget,
        hours_to_prove=poisson_interval(0)[1] / budget if budget else math.inf,
        clips=len(clips),
        frames=sum(len(t.times_s) for t in tracks),
        undecided=sum(t.statuses.count("no_decision") for t in tracks),
        settings_tried=tried,
        left_out=left_out_by_reason(find_left_out(sources, clips)),
    )


def run_model(classifier: Classifier, clip: Clip, options: TuneOptions) -> Track:
    """Runs the model on each frame of a clip. A frame that fails the quality checks gives `no_decision`.

    Raises:
        UsageError, ImageError, SourceError: the clip cannot be read, or its frames do not hold the region.
        DataError: the times of the frames are invalid, or do not cover the labelled spans.
    """
    times_s: list[float] = []
    statuses: list[Status] = []
    probabilities: list[NDArray[np.float32]] = []
    frames: Iterator[Frame] = (
        replace(frame, kind="video", media_time_s=time_s)
        for time_s, frame in read_clip(clip, options.fps, options.every, classifier.max_pixels)
    )
    if options.region is not None:
        frames = map(options.region.crop, frames)
    answered = _each_alone if classifier.states is None else _in_order
    for time_s, status, found in answered(classifier, frames, options.health, str(clip.path)):
        times_s.append(time_s)
        statuses.append(status)
        probabilities.append(found)
    times = np.array(times_s)
    if (np.diff(times) < 0).any():
        raise DataError(
            f"{clip.path}: the times of its frames are not increasing; convert it again, for example with ffmpeg"
        )
    truth = np.full(len(times), UNLABELLED, np.intp)
    for span in clip.spans:
        within = (times >= span.start_s) & (times < span.end_s)
        if not within.any():
            raise DataError(
                f"{clip.path}: has no frame from {span.start_s:g} to {span.end_s:g} s, its last is at {times[-1]:g} "
                "s; correct the table"
            )
        truth[within] = span.label
    track = Track(
        name=str(clip.path), times_s=times, statuses=statuses, probabilities=np.stack(probabilities), truth=truth
    )
    if track.labelled_s == 0:
        raise DataError(f"{clip.path}: it has only one frame, or all frames have the same time; remove the clip")
    return track


_Answered: TypeAlias = "Iterator[tuple[float, Status, NDArray[np.float32]]]"  # time, status, probabilities [C]


def _each_alone(
    classifier: Classifier, frames: Iterator[Frame], thresholds: FrameQualityThresholds | None, _: str
) -> _Answered:
    """The answers of a model of single images, which runs several at once."""
    health = None if thresholds is None else FrameQualityChecker(thresholds)
    for batch in _batches(frames):
        for frame, answer in zip(batch, classifier.answer(batch), strict=True):
            unfit = health is not None and health.check(frame) is not None
            yield frame.time_s, "no_decision" if unfit else answer.prediction.status, answer.probabilities


def _in_order(
    classifier: Classifier, frames: Iterator[Frame], thresholds: FrameQualityThresholds | None, source: str
) -> _Answered:
    """The answers of a recurrent model, as `predict` gives them: a frame that is not fit leaves the state as it is."""
    assert classifier.states is not None
    health = None if thresholds is None else FrameQualityChecker(thresholds)
    state = classifier.states.for_stream(source)
    nothing = np.zeros(len(classifier.labels), np.float32)
    for frame in frames:
        if health is not None and health.check(frame) is not None:
            yield frame.time_s, "no_decision", nothing
        else:
            answer = classifier.answer_next(frame, state)
            yield frame.time_s, answer.prediction.status, answer.probabilities


def halves(tracks: Sequence[Track]) -> tuple[list[Track], list[Track]]:
    """Splits tracks into two halves: tracks with the same labels go alternately to each half, long ones first.

    A remaining track is split in the middle, so that both halves have each label.

    Raises:
        DataError: a track is too short to be split.
    """
    groups: dict[frozenset[int], list[Track]] = defaultdict(list)
    for track in tracks:
        groups[frozenset(np.unique(track.truth).tolist())].append(track)
    first: list[Track] = []
    second: list[Track] = []
    for _, group in sorted(groups.items(), key=lambda g: sorted(g[0])):
        ordered = sorted(group, key=lambda t: (-t.labelled_s, t.name))
        if len(ordered) % 2:
            before, after = _cut(ordered.pop(0))
            first.append(before)
            second.append(after)
        first += ordered[::2]
        second += ordered[1::2]
    return first, second


def fit_smoothing(
    tracks: Sequence[Track], options: TuneOptions, background: int | None = None, progress: Progress | None = None
) -> tuple[SmoothingOptions, int]:
    """Returns the settings that :func:`choose_settings` chooses, and the number of settings tried."""
    tried = try_settings(tracks, options, background, progress)
    return choose_settings(tried, options.budget_per_h), len(tried)


def try_settings(
    tracks: Sequence[Track], options: TuneOptions, background: int | None = None, progress: Progress | None = None
) -> dict[SmoothingOptions, list[Counted]]:
    """Counts the results of all settings of the grid on each track."""
    grid = _grid(options)
    tried: dict[SmoothingOptions, list[Counted]] = {settings: [] for settings in grid}
    for number, track in enumerate(tracks):
        if progress is not None:
            progress(number, len(tracks))
        for window, group in _by_window(grid).items():
            shares = _shares(track, *window)
            for settings in group:
                tried[settings].append(_count(track, shares, settings, background))
    if progress is not None:
        progress(len(tracks), len(tracks))
    return tried


def choose_settings(tried: Mapping[SmoothingOptions, Sequence[Counted]], budget_per_h: float) -> SmoothingOptions:
    """Returns the best settings within the limit of false alarms, or those that exceed it least.

    The score is the share of correct time minus the share of missed labels, so that rare labels count as well. Ties are
    broken by the shorter delay, then by fewer false alarms.
    """

    def rank(settings: SmoothingOptions) -> tuple[float, ...]:
        counts = tally(tried[settings])
        excess = max(0.0, counts.per_hour - budget_per_h)
        good = counts.right - (counts.missed / counts.onsets if counts.onsets else 0.0)
        delay = round((counts.mean_delay_s or 0.0) / _ALIKE_S)
        return excess, -round(good / _ALIKE), delay, counts.false_alarms, -counts.right, settings.longest_delay_s

    return min(tried, key=rank)


def score_smoothing(tracks: Iterable[Track], settings: SmoothingOptions, background: int | None = None) -> Counts:
    """Counts the results of settings on tracks."""
    return tally(
        _count(track, _shares(track, settings.method, settings.window_s), settings, background) for track in tracks
    )


def _grid(options: TuneOptions) -> list[SmoothingOptions]:
    windows: list[tuple[Method, float]] = [
        ("none", 0.0),
        *(("average", w) for w in _WINDOWS_S),
        *(("majority", w) for w in _WINDOWS_S),
    ]
    found = [
        SmoothingOptions(
            method=method,
            window_s=window_s,
            enter=enter,
            leave=leave,
            hold_s=hold_s,
            gap_s=max(options.gap_s, window_s, hold_s),
        )
        for method, window_s in windows
        for enter, leave in _THRESHOLDS
        for hold_s in _HOLDS_S
    ]
    raw = replace(RAW, gap_s=options.gap_s)
    return [raw, *(settings for settings in found if settings.longest_delay_s <= options.max_delay_s)]


def _by_window(grid: Iterable[SmoothingOptions]) -> dict[tuple[Method, float], list[SmoothingOptions]]:
    """Groups settings with the same method and window, so that the window is computed once."""
    groups: dict[tuple[Method, float], list[SmoothingOptions]] = defaultdict(list)
    for settings in grid:
        groups[settings.method, settings.window_s].append(settings)
    return groups


def _shares(track: Track, method: Method, window_s: float) -> list[NDArray[np.float64] | None]:
    window = Window(track.probabilities.shape[1], method, window_s)
    return [
        window.add(*frame) for frame in zip(track.times_s.tolist(), track.statuses, track.probabilities, strict=True)
    ]


def _count(
    track: Track, shares: Sequence[NDArray[np.float64] | None], settings: SmoothingOptions, background: int | None
) -> Counted:
    held = Held(settings)
    labels = [held.step(time_s, share) for time_s, share in zip(track.times_s.tolist(), shares, strict=True)]
    stands = np.array([UNLABELLED if label is None else label for label in labels], np.intp)  # [F]
    return count(track, stands, settings.longest_delay_s, background)


def _cut(track: Track) -> tuple[Track, Track]:
    """Splits a track at half of its labelled time; both parts have labelled frames."""
    passed = np.cumsum(np.where(track.truth == UNLABELLED, 0.0, track.lasts_s))
    middle = int(np.searchsorted(passed, passed[-1] / 2)) + 1
    sides = track.part(0, middle), track.part(middle, len(track.times_s)) if middle < len(track.times_s) else None
    if sides[1] is None or min(sides[0].labelled_s, sides[1].labelled_s) == 0:
        raise DataError(
            f"{track.name}: too short to fit on one half of it and check on the other; give two clips of its label, "
            "or a longer one"
        )
    return sides[0], sides[1]


def _background(classifier: Classifier, name: str | None) -> int | None:
    if name is None:
        return None
    index = label_index(name, classifier.manifest)
    if index is None:
        raise UsageError(
            f"--background {name}: the model has no such label; it has {', '.join(classifier.labels[:20])}"
        )
    return index


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    waiting: list[Frame] = []
    for frame in frames:
        waiting.append(frame)
        if len(waiting) == _BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
