"""Loads a folder of clips for training: reads the steps of each clip once, and splits the clips."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.clip_folder import ClipFile, ClipFolder
from edgecnn.data.clips.clip_frames import ClipReader, clip_digest
from edgecnn.data.clips.step_rate import StepRate, frame_rates
from edgecnn.data.image_folder import ImageFile
from edgecnn.data.left_out import Reason, left_out_by_reason
from edgecnn.data.loading import Skipped, default_workers
from edgecnn.data.sessions import join_groups, session_keys
from edgecnn.data.split_record import Split, SplitRecord, data_sha256
from edgecnn.data_quality.clips.clip_checks import check_clips
from edgecnn.data_quality.clips.clip_stats import ClipFault, ClipStats, views_of
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.wording import count
from edgecnn.errors import DataError, EdgeCNNError
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter
from edgecnn.training.data.choose_split import ToSplit, choose_split
from edgecnn.training.data.split import SplitShares
from edgecnn.training.data.split_carried_over import KnownSplit, record_of
from edgecnn.training.temporal.frame_labels import UNLABELLED, FrameLabels
from edgecnn.training.temporal.step_store import StepStore

__all__ = ["MAX_STEPS", "ClipData", "ClipPlan", "ClipSample", "load_clip_data"]

MAX_STEPS = 200
"""Longer clips are divided into parts of this many steps."""

_CHUNK = 64  # steps that are embedded at once


@dataclass(frozen=True, kw_only=True)
class ClipSample:
    """A clip, or a part of one, with its label and its split."""

    path: Path
    label: int  # class index of the clip; with labels of time spans, that of its last labelled step
    split: Split
    digest: str  # SHA-256, see clip_digest
    first: int  # index of its first step in the store
    steps: int
    start_s: float = 0.0  # time of its first step in the clip
    step_labels: NDArray[np.int64]  # [T] class indices; UNLABELLED where nothing is learned and evaluated


@dataclass(frozen=True, kw_only=True)
class ClipData:
    """A folder of clips, read and split for training."""

    root: Path
    labels: tuple[str, ...]
    samples: tuple[ClipSample, ...]
    store: StepStore
    rate: StepRate
    skipped: tuple[Skipped, ...] = ()
    duplicates: int = 0  # clips that are a copy of another
    left_out: Mapping[Reason, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    known: tuple[KnownSplit, ...] = ()  # how the models that the run starts from were split
    has_spans: bool = False  # whether the labels are those of time spans

    def of(self, split: Split) -> list[ClipSample]:
        """The samples of one split."""
        return [s for s in self.samples if s.split == split]

    @property
    def record(self) -> SplitRecord:
        """The split, as checkpoints and model files record it."""
        return record_of(self.samples, self.known)

    @property
    def sha256(self) -> str:
        """One hash of all clips and their labels; with labels of time spans, of the label of each step."""
        return data_sha256(f"{s.digest} {self._told(s)}" for s in self.samples)

    def _told(self, sample: ClipSample) -> str:
        if not self.has_spans:
            return self.labels[sample.label]
        names = ["" if label == UNLABELLED else self.labels[label] for label in sample.step_labels.tolist()]
        return f"{sample.start_s} {json.dumps(names)}"

    @property
    def trained_lengths(self) -> tuple[int, int]:
        """Fewest and most steps of a training clip."""
        found = [s.steps for s in self.of("train")]
        return min(found), max(found)


@dataclass(frozen=True)
class _Read:
    """A clip as read. Gaps in time divide it into parts, and so does :data:`MAX_STEPS`; each part becomes a sample."""

    digest: str
    parts: tuple[Image, ...]  # uint8 [T, H, W, 3] each
    times_s: tuple[NDArray[np.float64], ...]  # [T] each


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """How the clips of a run are read, labelled and split."""

    reader: ClipReader
    rate: StepRate
    store: StepStore
    convert: Callable[[Image], NDArray[Any]]  # turns steps, uint8 [K, H, W, 3], into rows of the store
    shares: SplitShares
    group: str  # how sessions are found, see session_keys
    every_step: bool  # whether the clip's label is learned at every step; otherwise at the last one
    spans: FrameLabels | None = None  # labels of time spans, which replace those of the clips
    # splits of the models that the run starts from; their training clips stay in training
    known: tuple[KnownSplit, ...] = ()


def load_clip_data(folder: ClipFolder, plan: ClipPlan, reporter: Reporter, workers: int | None = None) -> ClipData:
    """Reads every clip once and splits the clips; a split that the folder already has is kept.

    Copies of a clip, and clips of one session, stay in one split. Clips that only look alike may be separated: a fixed
    camera shows the same scene in all of them.

    Raises:
        DataError: fewer than two classes, a class with fewer than two readable clips, or nothing to validate on.
        UsageError: the folder cannot be split by these fractions.
        OutputError: the steps cannot be stored.
    """
    labels = folder.class_names if plan.spans is None else plan.spans.names
    clips: list[tuple[ClipFile, str, list[ClipSample]]] = []
    skipped: list[Skipped] = []
    stats: list[ClipStats] = []
    faults: list[ClipFault] = []
    progress = reporter.stage("reading clips")
    for at, (clip, found) in enumerate(_read_all(folder.clips, plan, workers)):
        if isinstance(found, _Read):
            clips.append((clip, found.digest, _samples(clip, found, plan, labels)))
            stats.append(_stats(clip, found))
        else:
            faults.append(ClipFault(clip, found))
            skipped.append(Skipped(str(clip.path), found))
            reporter.say(f"skipped {clip.path}: {found}")
        progress(at + 1, len(folder.clips))
    _require_clips(folder, labels, [samples for _, _, samples in clips], len(skipped))
    _say_divided([len(samples) for _, _, samples in clips if len(samples) > 1], reporter.say)
    copies = _copies([digest for _, digest, _ in clips])
    images = [ImageFile(clip.path, clip.class_name, clip.split, clip.below) for clip, _, _ in clips]
    to_split = ToSplit(
        root=folder.root,
        digests=[digest for _, digest, _ in clips],
        labels=[samples[0].label for _, _, samples in clips],
        groups=join_groups(copies, session_keys(images, folder.root, plan.group)),
        ready=[clip.split for clip, _, _ in clips] if folder.ready_split else None,
        noun="clips",
    )
    splits = choose_split(to_split, plan.shares, plan.known, reporter.say)
    return ClipData(
        root=folder.root,
        labels=labels,
        samples=tuple(
            replace(sample, split=split)
            for (_, _, samples), split in zip(clips, splits, strict=True)
            for sample in samples
        ),
        store=plan.store,
        rate=plan.rate,
        skipped=tuple(skipped),
        duplicates=len(copies) - len(set(copies)),
        left_out=left_out_by_reason(folder.left_out),
        findings=check_clips(folder, stats, faults, frame_rates([s.file for s in stats], plan.reader.fps), splits),
        known=plan.known,
        has_spans=plan.spans is not None,
    )


def _say_divided(parts: Sequence[int], say: Callable[[str], None]) -> None:
    """Says how many clips were divided; ``parts`` of each of them."""
    if parts:
        say(
            f"{count(len(parts), 'clip is', 'clips are')} divided into parts, at gaps in time and after every "
            f"{MAX_STEPS} steps; each of these {sum(parts)} parts counts as a clip here"
        )


def _read_all(clips: Sequence[ClipFile], plan: ClipPlan, workers: int | None) -> Iterator[tuple[ClipFile, _Read | str]]:
    """Reads clips ahead in threads, but only a few: their steps are held in memory."""
    threads = workers or default_workers()
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[tuple[ClipFile, Future[_Read | str]]] = deque()
        for clip in clips:
            ahead.append((clip, pool.submit(_read, clip, plan.reader)))
            if len(ahead) > threads:
                first, found = ahead.popleft()
                yield first, found.result()
        for first, found in ahead:
            yield first, found.result()


def _read(clip: ClipFile, reader: ClipReader) -> _Read | str:
    """The steps of a clip, or why it cannot be read."""
    rows: list[list[Image]] = []
    times: list[list[float]] = []
    try:
        for step in reader.steps(clip.path):
            if step.begins or len(rows[-1]) >= MAX_STEPS:
                rows.append([])
                times.append([])
            rows[-1] += [step.row] * step.count
            times[-1] += [step.time_s] * step.count
        digest = clip_digest(clip.path)
    except EdgeCNNError as error:
        return str(error).removeprefix(f"{clip.path}: ").split("; ")[0]
    return _Read(
        digest,
        tuple(np.stack(part) for part in rows),
        tuple(np.array(part) for part in times),
    )


def _stats(clip: ClipFile, found: _Read) -> ClipStats:
    rows = [row for part in found.parts for row in part]
    return ClipStats(file=clip, digest=found.digest, steps=len(rows), views=views_of(rows))


def _samples(clip: ClipFile, found: _Read, plan: ClipPlan, labels: Sequence[str]) -> list[ClipSample]:
    """Stores the steps of a clip."""
    samples = []
    for part, times_s in zip(found.parts, found.times_s, strict=True):
        if plan.spans is not None:
            step_labels = plan.spans.at(clip.path, times_s, labels)
        else:
            step_labels = np.full(len(part), labels.index(clip.class_name), np.int64)
            if not plan.every_step:
                step_labels[:-1] = UNLABELLED
        known = step_labels[step_labels != UNLABELLED]
        if not len(known):
            continue
        first = plan.store.count
        for at in range(0, len(part), _CHUNK):
            plan.store.append(plan.convert(part[at : at + _CHUNK]))
        samples.append(
            ClipSample(
                path=clip.path,
                label=int(known[-1]),
                split="train",
                digest=found.digest,
                first=first,
                steps=len(part),
                start_s=float(times_s[0]),
                step_labels=step_labels,
            )
        )
    if not samples:
        raise DataError(f"{clip.path}: no step of this clip lies in a labelled time span; correct the table")
    return samples


def _require_clips(
    folder: ClipFolder, labels: Sequence[str], clips: Sequence[Sequence[ClipSample]], skipped: int
) -> None:
    if len(labels) < 2:
        raise DataError(
            f"{folder.root}: clips of one class ('{labels[0]}'), training needs two; put the clips of each class "
            "into a folder of its own"
        )
    counts = Counter(label for parts in clips for label in {int(i) for part in parts for i in part.step_labels})
    small = [name for i, name in enumerate(labels) if counts[i] < 2]
    if small:
        also = f" ({skipped} clips cannot be read)" if skipped else ""
        raise DataError(
            f"{folder.root}: the class '{small[0]}' has {counts[labels.index(small[0])]} readable clips, training "
            f"needs two{also}; add clips, or remove the class"
        )


def _copies(digests: Sequence[str]) -> list[int]:
    """The group of each clip: the index of the first clip with this digest."""
    first: dict[str, int] = {}
    return [first.setdefault(digest, i) for i, digest in enumerate(digests)]
