"""Walks a folder for images, without reading more than a few first bytes of files without a suffix."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from edgecnn.data.file_kinds import is_junk, why_left_out
from edgecnn.data.left_out import LeftOut, Reason
from edgecnn.errors import DataError
from edgecnn.image.suffixes import IMAGE_SUFFIXES

__all__ = ["FolderFiles", "list_class_files", "list_entries", "list_files", "list_folders", "loose_files"]

_NOT_CLASSES = frozenset(("__MACOSX",))  # what macOS packs beside the files of an archive
_RUN_FILES = frozenset(("split.csv", "results.csv", "summary.json"))


@dataclass(frozen=True)
class FolderFiles:
    """What lies below a folder."""

    images: tuple[Path, ...]  # sorted
    left_out: tuple[LeftOut, ...]  # sorted by path
    holds_run: bool = False  # it is a run folder of `edgecnn train`, or holds one


@dataclass(frozen=True)
class _Entries:
    """What lies directly in a folder, sorted by name."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]  # links to folders too


def list_files(root: Path) -> FolderFiles:
    """Every image below a folder, links to folders followed, and every file that is none.

    A folder is read once, however many links lead to it, and never where it lies above: no loop of links can trap
    this. Images in hidden folders and in run folders of EdgeCNN are left out, unless ``root`` itself is one.

    Raises:
        DataError: a folder that may not be read, which would count as empty.
    """
    return _Walk(root).walk(None)


def list_class_files(folder: Path, own_run: Path | None = None) -> FolderFiles:
    """As :func:`list_files`, for a folder that was found in a dataset: it may be a run folder itself.

    Args:
        folder: it.
        own_run: the run folder that is being written.
    """
    walk = _Walk(folder, own_run.resolve() if own_run else None)
    files = walk.walk("run_folder" if walk.is_run(folder, list_entries(folder)) else None)
    # Runs that failed leave folders without a file in `runs`
    return FolderFiles(files.images, files.left_out, files.holds_run or (not files.images and folder.name == "runs"))


def list_folders(root: Path) -> list[Path]:
    """The folders in a folder that may be classes or splits, sorted. Raises :class:`DataError`."""
    return [
        folder
        for folder in list_entries(root).folders
        if not folder.name.startswith(".") and folder.name not in _NOT_CLASSES and not _leads_up(folder, root)
    ]


def loose_files(root: Path) -> list[LeftOut]:
    """What is not used of a folder with class folders: images and videos beside them, hidden folders, and links to
    the folder itself or one above. Texts and tables there are not worth a word."""
    found: list[LeftOut] = []
    entries = list_entries(root)
    for folder in entries.folders:
        if folder.name.startswith("."):
            found += _Walk(folder).walk("hidden").left_out
        elif _leads_up(folder, root):
            found.append(LeftOut(folder, "link_loop"))
    for path in entries.files:
        if not path.name.startswith(".") and not is_junk(path.name):
            reason = why_left_out(path) or "no_class_folder"
            if reason != "not_an_image":
                found.append(LeftOut(path, reason))
    return found


def list_entries(folder: Path) -> _Entries:
    """Files and folders in a folder. Raises :class:`DataError` where it may not be listed."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:  # distinguishes folders from files without a system call for each
            for entry in entries:
                (folders if _is_folder(entry) else files).append(folder / entry.name)
    except OSError as error:
        _cannot_list(error)
    return _Entries(tuple(sorted(files)), tuple(sorted(folders)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or into a folder that may not be entered
        return False


def _leads_up(folder: Path, root: Path) -> bool:
    """Whether a class folder is a link to the dataset itself, or above: it would hold all the other classes."""
    return folder.is_symlink() and folder.resolve() in (root.resolve(), *root.resolve().parents)


def _cannot_list(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}; allow reading it, or remove it") from error


@dataclass
class _Walk:
    root: Path
    own_run: Path | None = None  # resolved
    images: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    holds_run: bool = False

    def walk(self, reason: Reason | None) -> FolderFiles:
        """``reason``: why nothing below the root is used; None: it is."""
        seen: set[Path] = set(self.root.resolve().parents)
        folders, links = deque([(self.root, reason)]), deque[tuple[Path, Reason | None]]()
        while folders or links:
            # All links after all folders, so that the reported link does not depend on its name
            folder, reason = folders.popleft() if folders else links.popleft()
            real = folder.resolve()
            if real in seen:
                self.left_out.append(LeftOut(folder, "link_loop"))
                continue
            seen.add(real)
            for below, why in self._folder(folder, reason):
                (links if below.is_symlink() else folders).append((below, why))
        return FolderFiles(
            tuple(sorted(self.images)),
            tuple(sorted(self.left_out, key=lambda file: file.path)),
            self.holds_run,
        )

    def _folder(self, folder: Path, reason: Reason | None) -> list[tuple[Path, Reason | None]]:
        """Takes in the files of a folder; returns the folders in it."""
        try:
            entries = list_entries(folder)
        except DataError:
            if reason:  # nothing of it would be used
                return []
            raise
        if folder != self.root and reason is None and self.is_run(folder, entries):
            reason = "run_folder"
        self.holds_run |= reason == "run_folder"
        for path in entries.files:
            self._file(path, reason)
        return [
            (below, reason or ("hidden" if below.name.startswith(".") else None))
            for below in entries.folders
            if below.name not in _NOT_CLASSES
        ]

    def is_run(self, folder: Path, entries: _Entries) -> bool:
        """Whether ``edgecnn train`` wrote a folder, or is writing it."""
        if folder.resolve() == self.own_run:
            return True
        weights = folder / "weights"
        names = {path.name for path in entries.files}
        return weights in entries.folders and (bool(names & _RUN_FILES) or (weights / "last.pt").is_file())

    def _file(self, path: Path, reason: Reason | None) -> None:
        if is_junk(path.name):
            return
        hidden = path.name.startswith(".")
        if reason or hidden:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self.left_out.append(LeftOut(path, reason or "hidden"))
            return
        if why := why_left_out(path):
            self.left_out.append(LeftOut(path, why))
        else:
            self.images.append(path)
