"""Checks a dataset before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgecnn.data.image_folder import SPLITS, ImageFolder, scan_folder
from edgecnn.data.left_out import left_out_by_reason, usage_line
from edgecnn.data_quality.checks import check_data
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.image_stats import Fault, ImageStats, read_image_stats
from edgecnn.data_quality.near_duplicates import find_copies
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.doctor.read_files import read_files

__all__ = ["examine_data"]

_CLASSES = 20


def examine_data(root: Path, reporter: Reporter | None = None, max_pixels: int | None = None) -> list[Finding]:
    """Checks every image of a dataset, of at most so many pixels.

    Raises :class:`InputNotFoundError` or :class:`DataError`.
    """
    reporter = reporter or Silent()
    folder = scan_folder(root)
    read = partial(read_image_stats, max_pixels=max_pixels or MAX_PIXELS)
    found = read_files(folder.images, read, reporter.stage("reading images"))
    facts = [f for f in found if isinstance(f, ImageStats)]
    faults = [f for f in found if isinstance(f, Fault)]
    progress = reporter.stage("comparing images")
    thumbnails = np.array([f.thumbnail for f in facts], np.uint8).reshape(-1, 64, 64)
    copies = find_copies([f.digest for f in facts], thumbnails, progress)
    return [_summary(folder, facts, len(faults)), *check_data(folder, facts, faults, copies)]


def _summary(folder: ImageFolder, facts: Sequence[ImageStats], unreadable: int) -> Finding:
    counts = Counter(p.class_name for p in folder.images if p.class_name)
    splits = Counter(p.split for p in folder.images if p.split)
    classes = ", ".join(f"{name} {counts[name]}" for name in folder.class_names[:_CLASSES]) + (
        " …" if len(folder.class_names) > _CLASSES else ""
    )
    text = f"{len(facts)} of {len(folder.images)} images are readable, {len(folder.class_names)} classes"
    ready = f", split {', '.join(f'{split} {splits[split]}' for split in SPLITS)}" if splits else ""
    usage = usage_line(len(facts), left_out_by_reason(folder.left_out), unreadable)
    return Finding("ok", f"{text}{f' ({classes})' if classes else ''}{ready}; {usage}", str(folder.root), "")
