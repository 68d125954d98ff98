"""Takes in a folder of pictures for training: reads each once, leaves out what cannot be read, splits the rest."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.dataset import Picture, PictureFolder, scan_folder
from edgecnn.errors import DataError, InputNotFoundError, PictureError
from edgecnn.held_out import Split, SplitRecord, content_digest, data_sha256
from edgecnn.loading import Skipped, default_workers
from edgecnn.near_duplicates import Thumbnail, group_duplicates, thumbnail
from edgecnn.preprocess import decode, read_bytes
from edgecnn.progress import Reporter
from edgecnn.training.split import split_pictures

__all__ = ["Sample", "TrainingData", "take_in"]


@dataclass(frozen=True)
class Sample:
    """A readable picture with its label and its side of the split."""

    path: Path
    label: int
    split: Split
    digest: str  # SHA-256 of the file


@dataclass(frozen=True)
class TrainingData:
    """All that training needs of a folder."""

    root: Path
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...]
    duplicates: int  # pictures that are a copy of another

    def of(self, split: Split) -> list[Sample]:
        """The samples of one split."""
        return [s for s in self.samples if s.split == split]

    @property
    def record(self) -> SplitRecord:
        """What the checkpoint and the model file remember."""
        return SplitRecord.of({split: [s.digest for s in self.of(split)] for split in ("train", "val", "test")})

    @property
    def sha256(self) -> str:
        """One hash of all pictures and their labels."""
        return data_sha256(f"{s.digest} {self.labels[s.label]}" for s in self.samples)


@dataclass(frozen=True)
class _Read:
    digest: str
    thumbnail: Thumbnail


def take_in(root: Path, val_split: float, test_split: float, seed: int, reporter: Reporter, workers: int | None = None) -> TrainingData:
    """Reads every picture once and splits them; a split that the folder brings is kept.

    Raises:
        InputNotFoundError: no such folder.
        DataError: fewer than two classes, or a class with fewer than two readable pictures.
        UsageError: shares that cannot be split off.
    """
    folder = scan_folder(root)
    _require_classes(folder)
    reads, skipped = _read_all(folder, reporter, workers)
    kept = [(picture, read) for picture, read in zip(folder.pictures, reads, strict=True) if read]
    _require_pictures(folder, [picture for picture, _ in kept], len(skipped))
    index = {name: i for i, name in enumerate(folder.class_names)}
    labels = [index[picture.class_name or ""] for picture, _ in kept]
    digests = [read.digest for _, read in kept]
    groups = group_duplicates(digests, np.stack([read.thumbnail for _, read in kept]))
    splits = _ready(kept, labels, groups, val_split, seed) if folder.ready_split else split_pictures(labels, groups, val_split, test_split, seed)
    samples = tuple(Sample(p.path, label, split, d) for (p, _), label, split, d in zip(kept, labels, splits, digests, strict=True))
    return TrainingData(root, folder.class_names, samples, tuple(skipped), len(groups) - len(set(groups)))


def _require_classes(folder: PictureFolder) -> None:
    if len(folder.class_names) < 2:
        found = f"one class ('{folder.class_names[0]}')" if folder.class_names else "pictures but no class folders"
        raise DataError(f"{folder.root}: {found}, training needs two; put the pictures of each class into a folder of its own")
    unknown = {p.class_name or "" for p in folder.pictures} - set(folder.class_names)
    if unknown:
        raise DataError(f"{folder.root}: the class '{min(unknown)}' is in val or test, but not in train; add it there, or remove it")


def _read_all(folder: PictureFolder, reporter: Reporter, workers: int | None) -> tuple[list[_Read | None], list[Skipped]]:
    progress = reporter.stage("reading pictures")
    reads: list[_Read | None] = []
    skipped: list[Skipped] = []

    def read(picture: Picture) -> _Read | Skipped:
        try:
            data = read_bytes(picture.path)
            return _Read(content_digest(data), thumbnail(decode(data, name=str(picture.path))))
        except (PictureError, InputNotFoundError) as error:
            return Skipped(str(picture.path), str(error).removeprefix(f"{picture.path}: "))

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        for i, found in enumerate(pool.map(read, folder.pictures)):
            if isinstance(found, Skipped):
                skipped.append(found)
                reporter.say(f"skipped {found.path}: {found.reason}")
            reads.append(None if isinstance(found, Skipped) else found)
            progress(i + 1, len(folder.pictures))
    return reads, skipped


def _require_pictures(folder: PictureFolder, kept: list[Picture], skipped: int) -> None:
    """Checked after reading: a class whose pictures are all broken is as empty as one without any."""
    counts = Counter(p.class_name or "" for p in kept if p.split in (None, "train"))
    small = [name for name in folder.class_names if counts[name] < 2]
    if small:
        shown = ", ".join(f"'{name}' has {counts[name]}" for name in small[:5]) + (" …" if len(small) > 5 else "")
        unread = f" ({skipped} pictures could not be read)" if skipped else ""
        raise DataError(f"{folder.root}: a class needs at least two pictures, {shown}{unread}; add pictures or remove the folder")


def _ready(kept: list[tuple[Picture, _Read]], labels: list[int], groups: list[int], val_split: float, seed: int) -> list[Split]:
    """The folder's own split. Without `val`, that is split off from `train`; `test` is never touched for it."""
    splits: list[Split] = [picture.split or "train" for picture, _ in kept]
    if "val" in splits:
        return splits
    train = [i for i, split in enumerate(splits) if split == "train"]
    for i, split in zip(train, split_pictures([labels[i] for i in train], [groups[i] for i in train], val_split, 0.0, seed), strict=True):
        splits[i] = split
    return splits
