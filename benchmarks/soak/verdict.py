"""Whether a soak kept its promise: memory within 20 MB of what it was after the warm-up, all else as it was."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from soak_log import Sample

__all__ = ["Verdict", "judge"]

GROWTH_MB = 20.0
_COUNTED = ("descriptors", "threads", "children", "zombies")
_SHARE = 0.1  # of the samples after the warm-up, at each end: what is compared
_LEAST = 10  # samples at each end


@dataclass(frozen=True)
class Level:
    """How many there were in quiet samples."""

    begin: int  # median over the first tenth after the warm-up
    end: int  # the same over the last tenth
    most: int  # of all after the warm-up

    @classmethod
    def of(cls, first: Sequence[int], last: Sequence[int], all_: Sequence[int]) -> Level:
        """Not the largest of each end: a few of a thousand samples meet a connection that was just opened."""
        return cls(statistics.median_high(first), statistics.median_high(last), max(all_))


@dataclass(frozen=True)
class Verdict:
    """Of one run."""

    frames: int  # after the warm-up
    reconnects: int  # after the warm-up
    begin_mb: float  # resident set: median over the first tenth after the warm-up
    end_mb: float  # the same over the last tenth
    peak_mb: float  # largest resident set of all samples after the warm-up
    slope_mb: float  # per 100,000 frames, by least squares over all samples after the warm-up
    counted: dict[
        str, tuple[int, int, int]
    ]  # by name, of quiet samples: median of the first and of the last tenth; most
    shared_memory: tuple[int, int]  # files of the whole machine, first and last sample: other programs may add some

    @property
    def growth_mb(self) -> float:
        """The strictest reading: of the largest resident set over the first median."""
        return self.peak_mb - self.begin_mb

    @property
    def faults(self) -> list[str]:
        """What was promised and is not so; empty: all is."""
        grown = [f"{name}: {n.begin} became {n.end}" for name, n in self.counted.items() if n.end > n.begin]
        return ([f"memory grew by {self.growth_mb:.1f} MB"] if self.growth_mb >= GROWTH_MB else []) + grown

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"after the warm-up: {self.frames:,} frames, {self.reconnects:,} reconnects"
        yield (
            f"resident set: {self.begin_mb:.1f} MB, at the end {self.end_mb:.1f} MB, at most {self.peak_mb:.1f} MB; "
            f"{self.slope_mb:+.2f} MB per 100,000 frames"
        )
        yield ", ".join(f"{name}: {n.begin} -> {n.end}, at most {n.most}" for name, n in self.counted.items())
        yield "files of named shared memory of the machine: {} -> {}".format(*self.shared_memory)
        yield "kept" if not self.faults else f"BROKEN: {'; '.join(self.faults)}"


def judge(samples: Sequence[Sample], warm_up_frames: int) -> Verdict:
    """Raises :class:`ValueError` where too few samples came after the warm-up."""
    after = [sample for sample in samples if sample.frames >= warm_up_frames]
    part = max(_LEAST, int(_SHARE * len(after)))
    first, last = after[:part], after[-part:]
    if len(after) < 2 * _LEAST or not (any(s.quiet for s in first) and any(s.quiet for s in last)):
        quiet = sum(sample.quiet for sample in after)
        raise ValueError(f"{len(after)} samples after the warm-up, {quiet} of them quiet: too few; give more --frames")
    frames = np.array([sample.frames for sample in after])
    rss_mb = np.array([sample.levels.rss_mb for sample in after])
    return Verdict(
        frames=after[-1].frames - after[0].frames,
        reconnects=after[-1].reconnects - after[0].reconnects,
        begin_mb=statistics.median(sample.levels.rss_mb for sample in first),
        end_mb=statistics.median(sample.levels.rss_mb for sample in last),
        peak_mb=float(rss_mb.max()),
        slope_mb=float(np.polyfit(frames, rss_mb, 1)[0]) * 100_000,
        counted={name: Level.of(*(_quiet(part, name) for part in (first, last, after))) for name in _COUNTED},
        shared_memory=(after[0].levels.shared_memory_files, after[-1].levels.shared_memory_files),
    )


def _quiet(samples: Sequence[Sample], name: str) -> list[int]:
    return [getattr(sample.levels, name) for sample in samples if sample.quiet]
