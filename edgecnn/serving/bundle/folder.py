"""What a bundle's folder holds, read without following anything that leads out of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data_quality.finding import Finding

__all__ = ["COPY_AGAIN", "FolderContent", "examine_folder", "read_file", "sha256_of"]

COPY_AGAIN = "copy the bundle again from where it was made"
"""Remedy for a folder that is not as it was written."""

_MOST_ENTRIES = 10_000
_DEEPEST = 8
_MOST_BYTES = 4 << 30  # a sparse file of a terabyte takes no space, and hours to hash
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FolderContent:
    """Names in a folder, relative, with forward slashes; and what a bundle may not hold."""

    files: frozenset[str]
    folders: frozenset[str]
    findings: tuple[Finding, ...]


def examine_folder(root: Path) -> FolderContent:
    """Lists a folder. Links, devices, pipes and too many entries are findings, never followed.

    Where a folder cannot be read, that is a finding too.
    """
    files: set[str] = set()
    folders: set[str] = set()
    findings: list[Finding] = []
    size = 0
    for name, found in _walk(root, ""):
        if isinstance(found, OSError):
            findings.append(_fault(f"cannot be read: {found.strerror}", name, "allow this user to read it"))
            continue
        size += found.st_size
        if size > _MOST_BYTES or len(files) + len(folders) + len(findings) >= _MOST_ENTRIES:
            limits = f"{_MOST_BYTES >> 30} GiB or {_MOST_ENTRIES:,} entries"
            findings.append(_fault(f"the folder holds more than {limits}", name))
            break
        what = _forbidden(found)
        if what is None and name.count("/") >= _DEEPEST:
            what = f"is more than {_DEEPEST} folders deep"
        if what is not None:
            findings.append(_fault(what, name))
        else:
            (folders if stat.S_ISDIR(found.st_mode) else files).add(name)
    return FolderContent(frozenset(files), frozenset(folders), tuple(findings))


def read_file(root: Path, name: str, most: int) -> bytes:
    """The content of a regular file in ``root``; at most ``most`` + 1 bytes of it. Raises OSError."""
    with os.fdopen(_open(root / name), "rb") as file:
        size = os.fstat(file.fileno()).st_size  # Python takes memory for as much as it is asked for
        return file.read(min(most, size) + 1)


def sha256_of(root: Path, name: str) -> str:
    """The SHA-256 of a regular file in ``root``. Raises OSError."""
    digest = hashlib.sha256()
    with os.fdopen(_open(root / name), "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _walk(root: Path, inside: str) -> Iterator[tuple[str, os.stat_result | OSError]]:
    """Every entry below a folder, with its own status: a link is not followed."""
    try:
        with os.scandir(root / inside) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES + 1), strict=False)]
    except OSError as error:
        yield inside or ".", error
        return
    for name in sorted(names):
        path = f"{inside}/{name}" if inside else name
        try:
            found = (root / path).lstat()
        except OSError as error:
            yield path, error
            continue
        yield path, found
        if stat.S_ISDIR(found.st_mode) and path.count("/") < _DEEPEST:
            yield from _walk(root, path)


def _forbidden(found: os.stat_result) -> str | None:
    """Why an entry may not be in a bundle; None if it may."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link, which may lead out of the folder"
    if stat.S_ISDIR(found.st_mode):
        return None
    if not stat.S_ISREG(found.st_mode):
        return "is a pipe, a socket or a device, not a file"
    if found.st_nlink > 1:
        return "is a hard link: the same file has another name, by which it can be changed"
    return None


def _open(path: Path) -> int:
    """Opens a regular file. A link or a pipe that took its place meanwhile is refused, and not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "is no regular file", str(path))
    return descriptor


def _fault(what: str, where: str, remedy: str = COPY_AGAIN) -> Finding:
    return Finding("fault", what, where, remedy)
