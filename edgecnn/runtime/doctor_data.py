"""Examines a folder of pictures before hours are spent on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edgecnn.dataset import Picture, PictureFolder, scan_folder
from edgecnn.errors import InputNotFoundError, PictureError
from edgecnn.held_out import content_digest
from edgecnn.loading import default_workers
from edgecnn.preprocess import decode, read_bytes
from edgecnn.runtime.finding import Finding

__all__ = ["examine_data"]

_LISTED = 20  # of one kind of fault; the rest is counted
_TINY = 32  # pixels
_IMBALANCE = 10


@dataclass(frozen=True)
class _Read:
    picture: Picture
    digest: str | None
    shorter_side: int
    fault: str | None


def examine_data(root: Path) -> list[Finding]:
    """Reads every picture. Raises :class:`InputNotFoundError` or :class:`DataError`."""
    folder = scan_folder(root)
    with ThreadPoolExecutor(default_workers()) as pool:
        reads = list(pool.map(_read, folder.pictures))
    good = [r for r in reads if r.fault is None]
    summary = f"{len(good)} of {len(reads)} pictures can be read, {len(folder.class_names)} classes"
    return [Finding("ok", summary, str(root), ""), *_unreadable(reads), *_classes(folder, good), *_copies(good), *_tiny(good)]


def _read(picture: Picture) -> _Read:
    try:
        data = read_bytes(picture.path)
        image = decode(data, name=str(picture.path))
        return _Read(picture, content_digest(data), min(image.shape[:2]), None)
    except (PictureError, InputNotFoundError) as error:
        return _Read(picture, None, 0, str(error).removeprefix(f"{picture.path}: "))


def _unreadable(reads: list[_Read]) -> Iterator[Finding]:
    bad = [r for r in reads if r.fault]
    for read in islice(bad, _LISTED):
        yield Finding("fault", read.fault or "", str(read.picture.path), "replace or remove it")
    if len(bad) > _LISTED:
        yield Finding("fault", f"{len(bad) - _LISTED} more pictures cannot be read", "", "replace or remove them")


def _classes(folder: PictureFolder, good: list[_Read]) -> Iterator[Finding]:
    counts = Counter(r.picture.class_name for r in good if r.picture.split in (None, "train"))
    if len(folder.class_names) < 2:
        yield Finding("fault", "training needs two classes", str(folder.root), "put the pictures of each class into a folder of its own")
    for name in folder.class_names:
        if counts[name] < 2:
            yield Finding("fault", f"the class '{name}' has {counts[name]} readable pictures, training needs two", str(folder.root), "add pictures")
    sizes = [n for n in counts.values() if n]
    if sizes and max(sizes) > _IMBALANCE * min(sizes):
        yield Finding(
            "warning", f"the largest class has {max(sizes)} pictures, the smallest {min(sizes)}", str(folder.root), "add pictures of the small ones"
        )


def _copies(good: list[_Read]) -> Iterator[Finding]:
    """Byte-identical pictures: a fault where they contradict each other or leak from one split to another."""
    same: dict[str, list[Picture]] = defaultdict(list)
    for read in good:
        same[read.digest or ""].append(read.picture)
    for pictures in same.values():
        if len(pictures) == 1:
            continue
        where = ", ".join(str(p.path) for p in pictures[:3])
        if len({p.class_name for p in pictures}) > 1:
            yield Finding("fault", "the same picture under two labels", where, "keep it under the right one")
        elif len({p.split for p in pictures}) > 1:
            yield Finding("fault", "the same picture in two splits", where, "keep it in one")
        else:
            yield Finding("warning", f"the same picture {len(pictures)} times", where, "remove the copies")


def _tiny(good: list[_Read]) -> Iterator[Finding]:
    tiny = [r for r in good if r.shorter_side < _TINY]
    if tiny:
        yield Finding(
            "warning", f"{len(tiny)} pictures are smaller than {_TINY} pixels", str(tiny[0].picture.path), "look whether they show anything"
        )
