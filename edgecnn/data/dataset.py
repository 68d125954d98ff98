"""Folders of pictures: one folder a class, or that under `train`, `val` and `test`; and which of them may judge a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from edgecnn.data.split_record import Split, SplitRecord, content_digest
from edgecnn.errors import DataError, InputNotFoundError, PictureError
from edgecnn.image.header import PICTURE_SUFFIXES
from edgecnn.manifest import Manifest
from edgecnn.preprocess import read_bytes

__all__ = ["Judged", "Picture", "PictureFolder", "find_pictures", "judged_pictures", "require_folder", "scan_folder"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Picture:
    """A picture file and the class folder it lies in."""

    path: Path
    class_name: str | None  # None: a picture without a label
    split: Split | None = None  # where the folder was split already


@dataclass(frozen=True)
class PictureFolder:
    """What a folder of pictures holds."""

    root: Path
    class_names: tuple[str, ...]  # sorted; of the training split where there is one; empty: no labels
    pictures: tuple[Picture, ...]  # sorted by path
    ready_split: bool


def scan_folder(root: Path) -> PictureFolder:
    """Lists a folder of pictures without reading them.

    Hidden files and folders, and files without a picture's suffix, are passed over.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it is no folder, or holds no picture at all.
    """
    folders = _folders(require_folder(root))
    ready = bool(folders) and all(folder.name in SPLITS for folder in folders)
    pictures: list[Picture] = []
    if ready:
        for folder in folders:
            pictures += _labelled(folder, split=folder.name)  # type: ignore[arg-type]
        classes = {p.name for p in _folders(root / "train")} if (root / "train").is_dir() else {p.class_name or "" for p in pictures}
    else:
        pictures += _labelled(root, split=None)
        classes = {p.name for p in folders}
    if not pictures:
        raise DataError(f"{root}: no pictures in it; put them into one folder a class, like {root / 'cat' / '1.jpg'}")
    if len({p.class_name is None for p in pictures}) > 1:
        loose = next(p.path for p in pictures if p.class_name is None)
        raise DataError(f"{loose}: lies in no class folder, as others do; move it into the folder of its class, or remove it")
    return PictureFolder(root, tuple(sorted(classes)) if any(p.class_name for p in pictures) else (), tuple(pictures), ready)


def require_folder(root: Path) -> Path:
    """Raises :class:`InputNotFoundError` or :class:`DataError` unless ``root`` is a folder."""
    if not root.exists():
        raise InputNotFoundError(f"{root}: no such folder; check the path")
    if not root.is_dir():
        raise DataError(f"{root}: a file, where a folder of pictures is expected: one folder a class")
    return root


def find_pictures(root: Path) -> list[Path]:
    """Every picture below a folder, sorted by path; links to folders are not followed, so a loop of links cannot trap it.

    Raises:
        DataError: a folder that may not be read, which would count as empty.
    """
    found: list[Path] = []
    for folder, folders, files in os.walk(root, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += (Path(folder, name) for name in files if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES)
    return sorted(found)


def _cannot_list(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}; permit reading it, or leave it out") from error


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        _cannot_list(error)


def _labelled(root: Path, split: Split | None) -> Iterator[Picture]:
    folders = _folders(root)
    for folder in folders:
        for path in find_pictures(folder):
            yield Picture(path, folder.name, split)
    if not folders:
        for path in find_pictures(root):
            yield Picture(path, None, split)


@dataclass(frozen=True)
class Judged:
    """The pictures that a model is judged on, and what a reader must know of them."""

    paths: tuple[Path, ...]
    truth: tuple[int, ...] | None  # class index a picture; None without labels
    held_out: bool  # none of them was trained on, as far as the model file remembers
    note: str  # one line for people
    trained_on: tuple[Path, ...] = ()  # pictures of the folder that the model was trained on: they may calibrate it, not judge it


def judged_pictures(
    root: Path,
    manifest: Manifest,
    record: SplitRecord | None,
    which: Literal["val", "test", "all"] | None = None,
    *,
    labels_needed: bool = True,
) -> Judged:
    """Chooses the pictures of a folder that judge a model.

    Where the folder is the model's own training data, those it trained on are left out, unless `all` is asked for.

    Args:
        root: one folder a class, named by label or by id; or that under `train`, `val`, `test`.
        manifest: names the classes.
        record: what the model was trained on; None where nothing is remembered.
        which: a split, or None for every picture that the model was not trained on.
        labels_needed: whether pictures without labels are an error.

    Raises:
        InputNotFoundError, DataError: no such folder, no pictures, a folder that names no class, or nothing left to judge on.
    """
    folder = scan_folder(root)
    if folder.class_names:
        class_index = _class_indices(folder, manifest)
    elif labels_needed:
        raise DataError(f"{root}: its pictures have no labels; put them into one folder a class, named {', '.join(manifest.labels[:3])} …")
    seen = _splits(folder, record)
    chosen, held_out, note = _choose(folder, seen, which)
    if not chosen:
        asked = f"the split '{which}' has no pictures here" if which else "the model was trained on every picture in it"
        raise DataError(f"{root}: {asked}; give other pictures, or --split all")
    truth = tuple(class_index[p.class_name or ""] for p in chosen) if folder.class_names else None
    trained_on = tuple(p.path for p, split in zip(folder.pictures, seen, strict=True) if split == "train")
    return Judged(tuple(p.path for p in chosen), truth, held_out, note, trained_on)


def _class_indices(folder: PictureFolder, manifest: Manifest) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in sorted({p.class_name or "" for p in folder.pictures}):
        index = manifest.index_of(name)
        if index is None:
            known = ", ".join(manifest.labels[:5]) + (" …" if len(manifest.labels) > 5 else "")
            raise DataError(f"{folder.root / name}: the model knows no class '{name}' (it knows {known}); rename or move the folder")
        found[name] = index
    return found


def _splits(folder: PictureFolder, record: SplitRecord | None) -> list[Split | None]:
    if record is None:
        return [None] * len(folder.pictures)
    return [record.split_of(_digest(picture.path)) for picture in folder.pictures]


def _digest(path: Path) -> str:
    try:
        return content_digest(read_bytes(path))
    except (PictureError, InputNotFoundError):
        return content_digest(b"")  # unreadable: whoever judges it will say so, by name


def _choose(folder: PictureFolder, seen: Sequence[Split | None], which: Literal["val", "test", "all"] | None) -> tuple[list[Picture], bool, str]:
    pictures = folder.pictures
    trained_on = sum(split == "train" for split in seen)

    def where(keep: Callable[[Picture, Split | None], bool]) -> list[Picture]:
        return [p for p, split in zip(pictures, seen, strict=True) if keep(p, split)]

    if which == "all" or (which is None and not any(seen)):
        note = f"all {len(pictures)} pictures, {trained_on} of them trained on" if trained_on else f"all {len(pictures)} pictures"
        return list(pictures), trained_on == 0, note
    if which is None:  # the run's own data: what it neither trained on nor set aside for the final test
        chosen = where(lambda _, split: split in ("val", None)) or where(lambda _, split: split == "test")
        note = f"the {len(chosen)} held-out pictures of the run's own data; {trained_on} that it trained on are left out"
        return chosen, True, note
    chosen = where(lambda p, split: split == which if any(seen) else p.split == which)
    return chosen, True, f"the {len(chosen)} pictures of the split '{which}'"
