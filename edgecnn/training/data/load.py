"""Takes in a folder of images for training: decodes each once, leaves out what cannot be read, splits the rest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from edgecnn.data.image_folder import ImageFile, ImageFolder, scan_folder
from edgecnn.data.left_out import Reason, left_out_by_reason
from edgecnn.data.loading import Skipped, default_workers
from edgecnn.data.sessions import join_groups, session_keys
from edgecnn.data.split_record import Split, SplitRecord, data_sha256
from edgecnn.data_quality.checks import check_data
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.image_stats import Fault, ImageStats, read_image_stats
from edgecnn.data_quality.near_duplicates import Copies, find_copies
from edgecnn.errors import DataError
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Reporter
from edgecnn.training.data.choose_split import ToSplit, choose_split
from edgecnn.training.data.pixel_cache import PixelCache, PixelPlan
from edgecnn.training.data.split import SplitShares
from edgecnn.training.data.split_carried_over import KnownSplit, record_of

__all__ = ["Sample", "TrainingData", "load_training_data"]

_found_before: dict[bytes, Copies] = {}  # of the images before: `edgecnn search` trains many networks on the same
_MAX_COMPARED = 100_000  # images, each with each: 60,000 took four minutes


@dataclass(frozen=True)
class Sample:
    """A readable image with its label and its side of the split."""

    path: Path
    label: int
    split: Split
    digest: str  # SHA-256 of the file
    row: int = 0  # in the folder's list of images, and so in the pixel cache


@dataclass(frozen=True)
class TrainingData:
    """All that training needs of a folder."""

    root: Path
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...]
    duplicates: int  # images that are a copy of another
    findings: tuple[Finding, ...] = ()  # of the examination, the worst first
    pixels: PixelCache | None = None  # where they were asked for
    left_out: Mapping[Reason, int] = field(default_factory=dict)  # files that were not tried, by reason
    known: tuple[KnownSplit, ...] = ()  # what the weights begun with, and a teacher, were trained on

    def of(self, split: Split) -> list[Sample]:
        """The samples of one split."""
        return [s for s in self.samples if s.split == split]

    @property
    def record(self) -> SplitRecord:
        """What the checkpoint and the model file remember."""
        return record_of(self.samples, self.known)

    @property
    def sha256(self) -> str:
        """One hash of all images and their labels."""
        return data_sha256(f"{s.digest} {self.labels[s.label]}" for s in self.samples)


def load_training_data(
    root: Path,
    val_split: float,
    test_split: float,
    seed: int,
    reporter: Reporter,
    workers: int | None = None,
    *,
    plan: PixelPlan | None = None,
    group: str = "auto",
    known: Sequence[KnownSplit] = (),
    max_pixels: int = MAX_PIXELS,
) -> TrainingData:
    """Decodes every image once and splits them; a split that the folder brings is kept.

    Args:
        root: one folder a class, or that under ``train``, ``val``, ``test``.
        val_split, test_split: shares held out, as fractions.
        seed: of the split.
        reporter: told of stages, progress and images that are skipped.
        workers: threads that decode.
        plan: the sizes in which pixels are kept; None: no pixels. Which image is on which side of the split is known
            only when all were decoded (copies stay on one side), so each is kept in each size.
        group: which images are of one session and stay on one side, see
            :func:`edgecnn.data.sessions.session_keys`.
        known: how the models that this one starts or learns from were split: what they trained on stays in training.
        max_pixels: images with more are left out, and named.

    Raises:
        OutputError: the pixels cannot be kept.
        InputNotFoundError: no such folder.
        DataError: fewer than two classes, or a class with fewer than two readable images.
        UsageError: shares that cannot be split off.
    """
    folder = scan_folder(root, plan.folder if plan else None)
    _require_classes(folder)
    session_of = dict(zip(folder.images, session_keys(folder.images, root, group), strict=True))  # before the reading
    facts, faults, pixels = _read_all(folder, reporter, workers, plan, max_pixels)
    _require_images(folder, [f.file for f in facts], len(faults))
    index = {name: i for i, name in enumerate(folder.class_names)}
    labels = [index[f.file.class_name or ""] for f in facts]
    copies = _find_copies(facts, reporter)
    sessions = [session_of[f.file] for f in facts]
    data = _to_split(folder, facts, labels, join_groups(copies.groups, sessions))
    splits = choose_split(data, SplitShares(val_split, test_split, seed), known, reporter.say)
    return TrainingData(
        root=root,
        labels=folder.class_names,
        samples=_samples(folder, facts, labels, splits),
        skipped=tuple(Skipped(str(fault.file.path), fault.reason) for fault in faults),
        duplicates=len(copies.groups) - len(set(copies.groups)),
        findings=check_data(folder, facts, faults, copies, splits, sessions, _shorter_side(plan)),
        pixels=pixels,
        left_out=left_out_by_reason(folder.left_out),
        known=tuple(known),
    )


def _shorter_side(plan: PixelPlan | None) -> int | None:
    return None if plan is None else min(plan.exact.height, plan.exact.width)


def _to_split(
    folder: ImageFolder, facts: Sequence[ImageStats], labels: Sequence[int], groups: Sequence[int]
) -> ToSplit:
    return ToSplit(
        root=folder.root,
        digests=[f.digest for f in facts],
        labels=labels,
        groups=groups,
        ready=[f.file.split for f in facts] if folder.ready_split else None,
    )


def _samples(
    folder: ImageFolder, facts: Sequence[ImageStats], labels: Sequence[int], splits: Sequence[Split]
) -> tuple[Sample, ...]:
    rows = {image: row for row, image in enumerate(folder.images)}
    return tuple(
        Sample(path=f.file.path, label=label, split=split, digest=f.digest, row=rows[f.file])
        for f, label, split in zip(facts, labels, splits, strict=True)
    )


def _require_classes(folder: ImageFolder) -> None:
    if len(folder.class_names) < 2:
        found = f"one class ('{folder.class_names[0]}')" if folder.class_names else "images but no class folders"
        raise DataError(
            f"{folder.root}: {found}, training needs two; put the images of each class into a folder of its own"
        )
    unknown = {p.class_name or "" for p in folder.images} - set(folder.class_names)
    if unknown:
        raise DataError(
            f"{folder.root}: the class '{min(unknown)}' is in val or test, but not in train; add it there, or remove it"
        )


def _read_all(
    folder: ImageFolder, reporter: Reporter, workers: int | None, plan: PixelPlan | None, max_pixels: int
) -> tuple[list[ImageStats], list[Fault], PixelCache | None]:
    progress = reporter.stage("reading images")
    facts: list[ImageStats] = []
    faults: list[Fault] = []
    cache = PixelCache(plan, len(folder.images)) if plan else None

    def read(row: int) -> ImageStats | Fault:
        if cache is None:
            return read_image_stats(folder.images[row], None, max_pixels)
        return read_image_stats(folder.images[row], partial(cache.write, row), max_pixels, cache.model)

    with cache.writing() if cache else nullcontext(), ThreadPoolExecutor(workers or default_workers()) as pool:
        for row, found in enumerate(pool.map(read, range(len(folder.images)))):
            if isinstance(found, Fault):
                faults.append(found)
                reporter.say(f"skipped {found.file.path}: {found.reason}")
            else:
                facts.append(found)
            progress(row + 1, len(folder.images))
    return facts, faults, cache


def _find_copies(facts: Sequence[ImageStats], reporter: Reporter) -> Copies:
    """Byte for byte or nearly; in very large sets byte for byte alone, which is said."""
    digests = [f.digest for f in facts]
    if len(facts) <= _MAX_COMPARED:
        thumbnails = np.stack([f.thumbnail for f in facts])
        key = hashlib.sha256("".join(digests).encode() + thumbnails.tobytes()).digest()
        if key not in _found_before:
            found = find_copies(digests, thumbnails, reporter.stage("looking for copies"))
            _found_before.clear()
            _found_before[key] = found
        return _found_before[key]
    reporter.say(
        f"{len(facts):,} images: copies are looked for byte for byte alone, near ones up to {_MAX_COMPARED:,} images"
    )
    first: dict[str, int] = {}
    return Copies(tuple(first.setdefault(digest, i) for i, digest in enumerate(digests)), (), look_alike=False)


def _require_images(folder: ImageFolder, kept: list[ImageFile], skipped: int) -> None:
    """Checked after reading: a class whose images are all broken is as empty as one without any."""
    counts = Counter(p.class_name or "" for p in kept if p.split in (None, "train"))
    small = [name for name in folder.class_names if counts[name] < 2]
    if small:
        shown = ", ".join(f"'{name}' has {counts[name]}" for name in small[:5]) + (" …" if len(small) > 5 else "")
        unread = f" ({skipped} images could not be read)" if skipped else ""
        raise DataError(
            f"{folder.root}: a class needs at least two images, {shown}{unread}; add images or remove the folder"
        )
