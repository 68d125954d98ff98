"""The levels of a soak over its frames, as an SVG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from soak_log import Sample

__all__ = ["write_plot"]


def write_plot(path: Path, samples: Sequence[Sample], warm_up_frames: int) -> None:
    """Memory of the service above, what is counted below; samples during a reconnect are left out below."""
    figure = Figure((9, 6), layout="constrained")
    memory, counts = figure.subplots(2, 1, sharex=True)
    frames = [sample.frames for sample in samples]
    memory.plot(frames, [sample.levels.rss_mb for sample in samples], label="resident set", linewidth=0.8)
    memory.plot(frames, [sample.levels.anonymous_mb for sample in samples], label="heap and stacks", linewidth=0.8)
    memory.set_ylim(bottom=0)
    memory.set_ylabel("MB")
    quiet = [sample for sample in samples if sample.quiet]
    for name in ("descriptors", "threads", "children", "zombies"):
        rows = [(sample.frames, getattr(sample.levels, name)) for sample in quiet]
        counts.plot([frames for frames, _ in rows], [count for _, count in rows], label=name, linewidth=0.8)
    counts.set_ylim(bottom=0)
    counts.set_xlabel("frames decided on")
    for axes in (memory, counts):
        axes.axvline(warm_up_frames, color="grey", linestyle=":", linewidth=0.8)
        axes.legend(loc="lower right", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
