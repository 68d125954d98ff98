"""Walks a folder for images: what is one, what is not and why, without reading more than a few first bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from edgecnn.data.left_out import LeftOut, Reason
from edgecnn.errors import DataError
from edgecnn.image.header import IMAGE_SUFFIXES, begins_like_image
from edgecnn.video.suffixes import VIDEO_SUFFIXES

__all__ = ["FolderFiles", "cannot_list", "is_run_folder", "list_files", "list_folders", "why_left_out"]

_OTHER_FORMATS = frozenset(
    [
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".jpx",
        ".psd",
        ".svg",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
        ".raw",
        ".tga",
        ".exr",
        ".hdr",
        ".dcm",
        ".dicom",
        ".nii",
        ".ico",
        ".xcf",
        ".eps",
        ".pcx",
        ".npy",
        ".fits",
    ]
)
_JUNK = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db"))  # written by file managers, not by the user
_NOT_CLASSES = frozenset(("__MACOSX",))  # what macOS packs beside the files of an archive
_FIRST_BYTES = 32


@dataclass(frozen=True)
class FolderFiles:
    """What lies below a folder."""

    images: tuple[Path, ...]  # sorted
    left_out: tuple[LeftOut, ...]  # sorted by path


def list_files(root: Path) -> FolderFiles:
    """Every image below a folder, links to folders followed, and every file that is none.

    A linked folder is read once, and never where it lies above: no loop of links can trap this. A name without a
    suffix is an image where its first bytes say so.

    Raises:
        DataError: a folder that may not be read, which would count as empty.
    """
    walk = _Walk(frozenset(root.resolve().parents))
    walk.folder(root, hidden=False)
    return FolderFiles(tuple(sorted(walk.images)), tuple(sorted(walk.left_out, key=lambda file: file.path)))


def list_folders(root: Path) -> list[Path]:
    """The folders in a folder that may be classes or splits, sorted. Raises :class:`DataError`."""
    try:
        with os.scandir(root) as entries:  # distinguishes folders from files without a system call for each
            names = sorted(e.name for e in entries if e.is_dir())
    except OSError as error:
        cannot_list(error)
    return [root / name for name in names if not name.startswith(".") and name not in _NOT_CLASSES]


def is_run_folder(folder: Path) -> bool:
    """Whether ``edgecnn train`` wrote it, or wrote runs below it (``runs/train/1``)."""
    return _holds_a_run(folder) or any(
        _holds_a_run(path) or (path == folder / "train" / path.name and path.name.isdecimal() and folder.name == "runs")
        for path in _folders_below(folder, 2)
    )


def _holds_a_run(folder: Path) -> bool:
    return (folder / "weights").is_dir() and any(
        (folder / name).is_file() for name in ("split.csv", "results.csv", "summary.json", "weights/last.pt")
    )


def _folders_below(folder: Path, depth: int) -> Iterator[Path]:
    if depth == 0 or not folder.is_dir():
        return
    for path in list_folders(folder):
        yield path
        yield from _folders_below(path, depth - 1)


def cannot_list(error: OSError) -> NoReturn:
    """Raises :class:`DataError` for a folder that may not be listed."""
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}; allow reading it, or remove it") from error


@dataclass
class _Walk:
    above: frozenset[Path]  # folders in which the first one lies
    images: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)  # folders, resolved

    def folder(self, folder: Path, *, hidden: bool) -> None:
        real = folder.resolve()
        if real in self.seen or real in self.above:
            self.left_out.append(LeftOut(folder, "link_loop"))
            return
        self.seen.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if hidden:
                return
            cannot_list(error)
        # Folders before links to them, so that the reported link does not depend on its name
        folders = sorted((e for e in entries if e.is_dir()), key=lambda e: (e.is_symlink(), e.name))
        for entry in entries:
            if not entry.is_dir():
                self._file(Path(folder, entry.name), hidden=hidden)
        for entry in folders:
            if entry.name not in _NOT_CLASSES:
                self.folder(Path(folder, entry.name), hidden=hidden or entry.name.startswith("."))

    def _file(self, path: Path, *, hidden: bool) -> None:
        name, suffix = path.name, path.suffix.lower()
        if name.startswith("._") or name.lower() in _JUNK:  # AppleDouble: what macOS keeps beside a file
            return
        if hidden or name.startswith("."):
            if suffix in IMAGE_SUFFIXES:
                self.left_out.append(LeftOut(path, "hidden"))
            return
        reason = why_left_out(path)
        if reason is None:
            self.images.append(path)
        else:
            self.left_out.append(LeftOut(path, reason))


def why_left_out(path: Path) -> Reason | None:
    """Why a file is not taken for an image; None where it is."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return "broken_link"
    if suffix in IMAGE_SUFFIXES:
        return None  # whatever it contains: a file that is not an image is reported when it is read
    if suffix in _OTHER_FORMATS:
        return "other_format"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if not _begins_like_image(path):
        return "not_an_image"
    return None if suffix == "" or suffix[1:].isdecimal() else "other_suffix"


def _begins_like_image(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return begins_like_image(file.read(_FIRST_BYTES))
    except OSError:
        return False
