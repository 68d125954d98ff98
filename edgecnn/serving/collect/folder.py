"""The folder of the collected frames on the disk.

``unlabelled/ID.jpg`` are the frames that nobody has labelled, ``labelled/LABEL/session-GROUP/ID.jpg`` the others, and
``records/ID.json`` says what is known of each. So ``labelled`` is a dataset. A label is where the image lies: to give
one is a single rename. A file without a record is somebody else's, and is never touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from edgecnn.atomic import make_folder, write_bytes
from edgecnn.data.sessions import SESSION_PREFIX
from edgecnn.errors import OutputError, UsageError
from edgecnn.serving.collect.record import FrameRecord, StoredFrame

__all__ = ["FrameFolder", "check_folder"]

_SUFFIXES = (".jpg", ".png")
_LEFTOVER = re.compile(r"\.[A-Za-z0-9_]{8}\.part")  # of edgecnn.atomic, after a kill


@dataclass(frozen=True)
class _Found:
    """An image on the disk."""

    path: Path
    size_bytes: int
    label: str | None


class FrameFolder:
    """Reads and writes the files. What it knows is on the disk alone.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.labelled = root / "labelled"
        self._unlabelled = root / "unlabelled"
        self._records = root / "records"

    @property
    def age_clock_file(self) -> Path:
        """Where the age clock keeps its count."""
        return self._records / "age-clock"

    def make_root(self) -> None:
        """Makes the folder itself, for its owner alone. Raises :class:`OutputError`."""
        make_folder(self.root, private=True)  # the frames may show people

    def prepare(self) -> None:
        """Makes the folders, and removes what a killed process left. Raises :class:`OutputError`."""
        self.make_root()
        for folder in (self._unlabelled, self.labelled, self._records):
            make_folder(folder)
        for folder in (self._unlabelled, self._records):
            for path in _files(folder):
                if _LEFTOVER.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def scan(self) -> list[StoredFrame]:
        """All frames, by number. Records without an image are removed. Raises :class:`OutputError`."""
        images = self._images()
        frames = []
        for path in _files(self._records):
            if path.suffix != ".json":
                continue
            found = images.get(path.stem)
            if found is None:  # a kill came between the two files, or somebody took the image away
                path.unlink(missing_ok=True)
                continue
            with suppress(OSError, ValueError):  # a broken record: then the image is nobody's, and stays
                content = path.read_bytes()
                record = FrameRecord.from_json(content)
                if record.id == path.stem:
                    frames.append(StoredFrame(record, found.path, found.size_bytes + len(content), found.label))
        return sorted(frames, key=lambda frame: frame.record.number)

    def write(self, record: FrameRecord, image: bytes, suffix: str) -> StoredFrame:
        """Writes a frame: the record first, so that no image is without one. Raises :class:`OutputError`."""
        content = record.to_json()
        path = self._unlabelled / f"{record.id}{suffix}"
        record_path = self._record_path(record)
        write_bytes(record_path, content)
        try:
            write_bytes(path, image)
        except OutputError:
            with suppress(OSError):
                record_path.unlink()
            raise
        return StoredFrame(record, path, len(image) + len(content), None)

    def read(self, frame: StoredFrame) -> bytes:
        """The image file. Raises :class:`OSError` where somebody took it away."""
        return frame.path.read_bytes()

    def label(self, frame: StoredFrame, label: str) -> StoredFrame:
        """Moves the image of a frame into the folder of a checked label.

        Frames of one moment get one folder, which training keeps on one side of its split.

        Raises:
            OSError: it cannot be moved.
        """
        target = self.labelled / label / f"{SESSION_PREFIX}{frame.record.group}" / frame.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        frame.path.rename(target)
        self._tidy(frame)
        return replace(frame, path=target, given_label=label)

    def delete(self, frame: StoredFrame) -> None:
        """Removes image and record. Raises :class:`OSError`."""
        frame.path.unlink(missing_ok=True)
        self._record_path(frame.record).unlink(missing_ok=True)
        self._tidy(frame)

    def label_names(self) -> list[str]:
        """Names of the class folders, sorted."""
        with suppress(OSError):
            found = (path for path in self.labelled.iterdir() if path.is_dir() and not path.name.startswith("."))
            return sorted(path.name for path in found)
        return []

    def _record_path(self, record: FrameRecord) -> Path:
        return self._records / f"{record.id}.json"

    def _tidy(self, frame: StoredFrame) -> None:
        """Removes the folders that its image has left empty: an empty class folder would be a class without images."""
        folder = frame.path.parent
        with suppress(OSError):  # it is not empty
            while self.labelled in folder.parents:
                folder.rmdir()
                folder = folder.parent

    def _images(self) -> dict[str, _Found]:
        """The images, by the ids that their names say."""
        images = {}
        for path in _files(self._unlabelled):
            if path.suffix in _SUFFIXES:
                images[path.stem] = _Found(path, path.stat().st_size, None)
        for folder, _, names in os.walk(self.labelled, onerror=_cannot_list):
            inside = Path(folder).relative_to(self.labelled).parts
            for name in names:
                path = Path(folder, name)
                if inside and path.suffix in _SUFFIXES:
                    images[path.stem] = _Found(path, path.stat().st_size, inside[0])
        return images


def check_folder(root: Path) -> None:
    """Checks that the folder can be used, without making it. Raises :class:`UsageError`."""
    above = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not above.is_dir():
        raise UsageError(f"{root}: cannot hold collected frames: {above} is a file; name a folder as [collect] dir")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(
            f"{root}: cannot hold collected frames: {above} may not be written; allow it, or name another [collect] dir"
        )


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder. Raises :class:`OutputError`."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError as error:
        _cannot_list(error)
    return (folder / name for name in names)


def _cannot_list(error: OSError) -> NoReturn:
    raise OutputError(f"{error.filename}: cannot be listed: {error.strerror}; allow reading it") from error
