"""Examines a folder of pictures before hours are spent on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.dataset import SPLITS, Picture, PictureFolder, find_pictures, scan_folder
from edgecnn.errors import InputNotFoundError, PictureError
from edgecnn.held_out import content_digest
from edgecnn.loading import default_workers
from edgecnn.preprocess import decode, read_bytes
from edgecnn.runtime.finding import Finding

__all__ = ["examine_data"]

_LISTED = 20  # of one kind; the rest is counted
_TINY = 32  # pixels
_IMBALANCE = 10


@dataclass(frozen=True)
class _Read:
    """What reading one picture told."""

    picture: Picture
    digest: str  # SHA-256; empty where it could not be read
    shorter_side: int  # pixels
    fault: str | None


def examine_data(root: Path) -> list[Finding]:
    """Reads every picture. Raises :class:`InputNotFoundError` or :class:`DataError`."""
    folder = scan_folder(root)
    with ThreadPoolExecutor(default_workers()) as pool:
        reads = list(pool.map(_read, folder.pictures))
    good = [r for r in reads if r.fault is None]
    sizes = _sizes(folder, good)
    return [
        _summary(folder, len(good)),
        *_first(_unreadable(reads), "pictures cannot be read", root),
        *_layout(folder),
        *_first(_classes(sizes, root), "classes are too small", root),
        *_balance(sizes, root),
        *_first(_copies(good), "pictures are there more than once", root),
        *_tiny(good),
    ]


def _read(picture: Picture) -> _Read:
    """The picture itself is let go: a large folder's would not fit into memory."""
    try:
        data = read_bytes(picture.path)
        image = decode(data, name=str(picture.path))
        return _Read(picture, content_digest(data), min(image.shape[:2]), None)
    except (PictureError, InputNotFoundError) as error:
        return _Read(picture, "", 0, str(error).removeprefix(f"{picture.path}: "))


def _summary(folder: PictureFolder, good: int) -> Finding:
    counts = Counter(p.class_name for p in folder.pictures if p.class_name)
    splits = Counter(p.split for p in folder.pictures if p.split)
    classes = ", ".join(f"{name} {counts[name]}" for name in folder.class_names[:_LISTED]) + (" …" if len(folder.class_names) > _LISTED else "")
    text = f"{good} of {len(folder.pictures)} pictures can be read, {len(folder.class_names)} classes"
    ready = f", split {', '.join(f'{split} {splits[split]}' for split in SPLITS)}" if splits else ""
    return Finding("ok", f"{text}{f' ({classes})' if classes else ''}{ready}", str(folder.root), "")


def _first(findings: Iterable[Finding], rest: str, root: Path) -> list[Finding]:
    """The first of one kind, and a count of the others at the worst level among them."""
    found = sorted(findings, key=lambda f: f.level != "fault")
    left = found[_LISTED:]
    return [*found[:_LISTED], *([Finding(left[0].level, f"{len(left)} more {rest}", str(root), left[0].remedy)] if left else [])]


def _unreadable(reads: Iterable[_Read]) -> Iterator[Finding]:
    for read in reads:
        if read.fault is not None:
            yield Finding("fault", read.fault.split("; ")[0], str(read.picture.path), "replace the picture or remove it")


def _layout(folder: PictureFolder) -> Iterator[Finding]:
    """Pictures and folders that are not taken for what they were meant to be."""
    where = str(folder.root)
    if not folder.class_names:
        yield Finding("warning", "the pictures have no labels: they can calibrate, not train or judge", where, "put them into one folder a class")
        return
    if meant := [name for name in folder.class_names if name in SPLITS and not folder.ready_split]:
        what = f"{', '.join(meant)}: taken for classes, since other folders lie beside"
        yield Finding("warning", what, where, "leave train, val and test alone there, or rename them")
    tops = [folder.root / split for split in SPLITS] if folder.ready_split else [folder.root]
    if loose := [path for top in tops for path in _loose(top)]:
        what = f"{len(loose)} {'picture lies' if len(loose) == 1 else 'pictures lie'} in no class folder, and may be passed over"
        yield Finding("warning", what, str(loose[0]), "move them into the folder of their class")
    strangers = {p.class_name for p in folder.pictures} - {None, *folder.class_names}
    for name in sorted(str(s) for s in strangers):
        yield Finding("fault", f"the class '{name}' has no folder in the training split", where, "rename it, or add it to train")


def _loose(folder: Path) -> list[Path]:
    return [path for path in find_pictures(folder) if path.parent == folder] if folder.is_dir() else []


def _sizes(folder: PictureFolder, good: Iterable[_Read]) -> dict[str, int]:
    """Readable pictures of each class; those to train on, where there are any."""
    trains = any(p.split == "train" for p in folder.pictures)
    counts = Counter(r.picture.class_name for r in good if r.picture.split == "train" or not trains)
    return {name: counts[name] for name in folder.class_names}


def _classes(sizes: dict[str, int], root: Path) -> Iterator[Finding]:
    """Training needs two classes, and two readable pictures of each."""
    if len(sizes) == 1:
        yield Finding("fault", "one class alone, training needs two", str(root), "put the pictures of each class into a folder of its own")
    for name, size in sizes.items():
        if size < 2:
            found = "one readable picture" if size else "no readable picture"
            yield Finding("fault", f"the class '{name}' has {found}, training needs two", str(root), "add pictures, or remove the class")


def _balance(sizes: dict[str, int], root: Path) -> Iterator[Finding]:
    filled = [name for name, size in sizes.items() if size]
    if not filled:
        return
    most, least = max(filled, key=sizes.__getitem__), min(filled, key=sizes.__getitem__)
    if sizes[most] > _IMBALANCE * sizes[least]:
        what = f"'{most}' has {sizes[most]} pictures, '{least}' {sizes[least]}: more than {_IMBALANCE} to 1"
        yield Finding("warning", what, str(root), f"add pictures of '{least}'")


def _copies(good: Iterable[_Read]) -> Iterator[Finding]:
    """Byte-identical pictures: a fault where they contradict each other or leak from one split to another."""
    same: dict[str, list[Picture]] = defaultdict(list)
    for read in good:
        same[read.digest].append(read.picture)
    for pictures in same.values():
        labels, splits = {p.class_name for p in pictures}, {p.split for p in pictures}
        where = ", ".join(str(p.path) for p in pictures[:3]) + (" …" if len(pictures) > 3 else "")
        if len(labels) > 1:
            yield Finding("fault", f"the same picture under {len(labels)} labels", where, "keep it under the right one")
        if len(splits) > 1:
            yield Finding("fault", f"the same picture in {len(splits)} splits", where, "keep it in one")
        if max(Counter((p.class_name, p.split) for p in pictures).values()) > 1:
            yield Finding("warning", "the same picture more than once in a class", where, "remove the copies")


def _tiny(good: Iterable[_Read]) -> Iterator[Finding]:
    tiny = [r for r in good if r.shorter_side < _TINY]
    if tiny:
        what = f"{len(tiny)} {'picture is' if len(tiny) == 1 else 'pictures are'} smaller than {_TINY} pixels"
        yield Finding("warning", what, str(tiny[0].picture.path), "look whether it shows enough")
