"""Checks a folder of clips before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edgecnn.data.clips.clip_folder import ClipFolder, scan_clips
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.step_rate import StepRate, choose_step_rate, frame_rates
from edgecnn.data.image_folder import SPLITS
from edgecnn.data.left_out import left_out_by_reason, usage_line
from edgecnn.data_quality.clips.clip_checks import check_clips
from edgecnn.data_quality.clips.clip_stats import ClipFault, ClipStats, read_clip_stats
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE
from edgecnn.data_quality.wording import few
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.doctor.read_files import read_files

__all__ = ["examine_clips"]

_FPS = 10.0  # of folders of frames, as `train` takes it by itself


def examine_clips(root: Path, reporter: Reporter | None = None, max_pixels: int | None = None) -> list[Finding]:
    """Decodes every clip of a folder, of frames of at most so many pixels, and checks them.

    Raises :class:`InputNotFoundError` or :class:`DataError`.
    """
    reporter = reporter or Silent()
    folder = scan_clips(root)
    rate = choose_step_rate(folder, _FPS, None)
    size = InputSpec(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    reader = ClipReader(size, PreprocessSpec(), rate.interval_s, _FPS, max_pixels or MAX_PIXELS)
    found = read_files(folder.clips, partial(read_clip_stats, reader=reader), reporter.stage("reading clips"))
    stats = [f for f in found if isinstance(f, ClipStats)]
    faults = [f for f in found if isinstance(f, ClipFault)]
    findings = check_clips(folder, stats, faults, frame_rates([s.file for s in stats], _FPS))
    return [_summary(folder, stats, len(faults), rate), *findings]


def _summary(folder: ClipFolder, stats: Sequence[ClipStats], unreadable: int, rate: StepRate) -> Finding:
    """What training would use."""
    counts = Counter(s.file.class_name for s in stats)
    splits = Counter(s.file.split for s in stats if s.file.split)
    classes = few([f"{name} {counts[name]}" for name in folder.class_names], ", ")
    readable = f"{len(stats)} of {len(folder.clips)} clips are readable"
    parts = [f"{readable}, {len(folder.class_names)} classes ({classes})"]
    if splits:
        parts.append(f"split {', '.join(f'{split} {splits[split]}' for split in SPLITS)}")
    if stats:
        steps = [s.steps for s in stats]
        parts.append(f"{min(steps)} to {max(steps)} steps of {rate.interval_s:.3g} s")
    usage = usage_line(len(stats), left_out_by_reason(folder.left_out), unreadable, "clip")
    return Finding("ok", f"{', '.join(parts)}; {usage}", str(folder.root), "")
