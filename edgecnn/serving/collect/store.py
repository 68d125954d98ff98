"""The collected frames: a ring of unlabelled ones within limits of size and age, and those that have a label."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import OutputError
from edgecnn.serving.collect.age_clock import AgeClock
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.record import FrameRecord, StoredFrame

__all__ = ["FrameStore", "Labelled", "Page"]

_DAY_S = 86_400.0
_LEAST_FREE_BYTES = 50_000_000  # that collecting leaves on the disk for everything else


@dataclass(frozen=True)
class Page:
    """A part of a listing, newest first."""

    frames: tuple[StoredFrame, ...]
    total: int  # frames of the whole listing
    size_bytes: int  # of them, records included


@dataclass(frozen=True)
class Labelled:
    """What labelling did."""

    labelled: int  # frames
    groups: int  # moments among them: copies of one moment count once
    missing: int  # frames that were gone: discarded, or fallen out of the ring
    label: str  # the name of the class folder


class FrameStore:
    """The frames of a folder. All threads may use it; one thread adds frames.

    Args:
        folder: it is prepared and read here.
        max_bytes: limit of the unlabelled frames, records included.
        max_age_days: limit of their age, by the time in which the service runs (:class:`AgeClock`).

    Raises:
        OutputError: the folder cannot be used.
    """

    def __init__(self, folder: FrameFolder, max_bytes: int, max_age_days: float) -> None:
        folder.prepare()
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age_s = max_age_days * _DAY_S
        self._lock = threading.RLock()
        self._frames = {frame.record.id: frame for frame in folder.scan()}  # by number
        self._bytes = sum(frame.size_bytes for frame in self._unlabelled())
        self._in_group = Counter(frame.record.group for frame in self._frames.values())
        records = [frame.record for frame in self._frames.values()]
        self._number = max((record.number for record in records), default=0)
        self.age_clock = AgeClock(folder.age_clock_file, max((record.age_clock_s for record in records), default=0.0))
        """Tells the age of frames."""

    @property
    def unlabelled_bytes(self) -> int:
        """Size of the unlabelled frames, records included."""
        return self._bytes

    @property
    def label_names(self) -> list[str]:
        """Names of the class folders."""
        return self._folder.label_names()

    @property
    def labelled_folder(self) -> Path:
        """The dataset of the labelled frames."""
        return self._folder.labelled

    def frames(self) -> tuple[StoredFrame, ...]:
        """All frames, oldest first."""
        with self._lock:
            return tuple(self._frames.values())

    def next_number(self) -> int:
        """A number for a new frame."""
        with self._lock:
            self._number += 1
            return self._number

    def in_group(self, group: str) -> int:
        """How many frames of a moment there are."""
        return self._in_group[group]

    def add(self, record: FrameRecord, image: bytes, suffix: str) -> StoredFrame:
        """Writes a frame. The oldest unlabelled ones go, where there is no room for it.

        Raises:
            OutputError: the disk is full, the frame alone is over the limit, or the folder cannot be written.
        """
        size = len(image) + len(record.to_json())
        if size > self._max_bytes:
            raise OutputError(
                f"{self._folder.root}: a frame of {size / 1e6:.2f} MB is over the limit of {self._max_bytes / 1e6:g} MB"
                "; raise [collect] max_mb"
            )
        _require_room(self._folder.root, size)
        self._shrink_to(self._max_bytes - size)
        frame = self._folder.write(record, image, suffix)  # outside the lock: a slow disk holds nobody else up
        with self._lock:
            self._frames[record.id] = frame
            self._bytes += frame.size_bytes
            self._in_group[record.group] += 1
        return frame

    def drop_old(self) -> None:
        """Removes unlabelled frames that are too old. Raises :class:`OutputError`."""
        oldest_s = self.age_clock.now_s - self._max_age_s
        with self._lock:
            self._discard([f for f in self._unlabelled() if f.record.age_clock_s < oldest_s])
            self._shrink_to(self._max_bytes)

    def get(self, frame_id: str) -> StoredFrame | None:
        """A frame by its id; None: there is no such frame."""
        with self._lock:
            return self._frames.get(frame_id)

    def read(self, frame_id: str) -> tuple[StoredFrame, bytes] | None:
        """A frame and its image file; None: there is no such frame."""
        frame = self.get(frame_id)
        if frame is None:
            return None
        with suppress(OSError):
            return frame, self._folder.read(frame)
        if (again := self.get(frame_id)) is not None and again.path != frame.path:  # it was labelled meanwhile
            with suppress(OSError):
                return again, self._folder.read(again)
        return None

    def newest(self, view: str, most: int) -> list[StoredFrame]:
        """The newest frames of a view that are the first of their group, oldest first."""
        with self._lock:
            frames = [f for f in self._frames.values() if f.record.view == view and f.record.group == f.record.id]
        return frames[-most:]

    def page(self, offset: int, limit: int, source: str | None) -> Page:
        """A part of the frames, newest first.

        Args:
            offset: how many newer ones are left out.
            limit: how many are returned.
            source: only those of this source; None: all.
        """
        with self._lock:
            frames = [f for f in self._frames.values() if source is None or f.record.source == source]
        frames.reverse()
        return Page(tuple(frames[offset : offset + limit]), len(frames), sum(frame.size_bytes for frame in frames))

    def label(self, frame_ids: Sequence[str], label: str) -> Labelled:
        """Gives frames a label, or another one.

        Args:
            frame_ids: of the frames.
            label: a checked one (:func:`edgecnn.serving.collect.labels.check_label`).

        Raises:
            OutputError: a file cannot be moved. Those before it have their label.
        """
        wanted = tuple(dict.fromkeys(frame_ids))
        groups = set()
        with self._lock:
            for frame in self._found(wanted):
                try:
                    moved = self._folder.label(frame, label)
                except FileNotFoundError:
                    self._forget(frame)
                    continue
                except OSError as error:
                    raise _cannot(self._folder.labelled / label, error) from error
                self._frames[frame.record.id] = moved
                groups.add(frame.record.group)
                self._bytes -= frame.size_bytes if frame.given_label is None else 0
            missing = len(wanted) - sum(1 for _ in self._found(wanted))
        _flush()
        return Labelled(len(wanted) - missing, len(groups), missing, label)

    def discard(self, frame_ids: Sequence[str]) -> int:
        """Deletes frames, labelled ones too, and returns how many.

        Raises:
            OutputError: a file cannot be deleted. Those before it are.
        """
        with self._lock:
            return self._discard(self._found(tuple(dict.fromkeys(frame_ids))))

    def _shrink_to(self, most_bytes: int) -> None:
        with self._lock:
            for frame in tuple(self._unlabelled()):
                if self._bytes <= most_bytes:
                    return
                self._discard([frame])

    def _discard(self, frames: Iterable[StoredFrame]) -> int:
        count = 0
        for frame in tuple(frames):
            try:
                self._folder.delete(frame)
            except OSError as error:
                raise _cannot(frame.path, error) from error
            self._forget(frame)
            count += 1
        return count

    def _forget(self, frame: StoredFrame) -> None:
        del self._frames[frame.record.id]
        self._in_group[frame.record.group] -= 1
        if not self._in_group[frame.record.group]:
            del self._in_group[frame.record.group]  # years of moments that are gone would fill the memory
        self._bytes -= frame.size_bytes if frame.given_label is None else 0

    def _found(self, frame_ids: Iterable[str]) -> Iterator[StoredFrame]:
        return (self._frames[frame_id] for frame_id in frame_ids if frame_id in self._frames)

    def _unlabelled(self) -> Iterator[StoredFrame]:
        """Oldest first."""
        return (frame for frame in self._frames.values() if frame.given_label is None)


def _require_room(
    root: Path, size: int, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> None:
    """Raises :class:`OutputError` where the disk would be full."""
    try:
        left = free(root)
    except OSError as error:
        raise _cannot(root, error) from error
    if left < size + _LEAST_FREE_BYTES:
        raise OutputError(
            f"{root}: the disk has {left / 1e6:.0f} MB left, and collecting leaves {_LEAST_FREE_BYTES / 1e6:.0f} MB to "
            "others; free disk space, or lower [collect] max_mb"
        )


def _cannot(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be changed: {error.strerror or error}; free disk space, or allow writing there")


def _flush() -> None:
    """Renames are on the disk: labels are somebody's work."""
    if hasattr(os, "sync"):  # Windows has none
        os.sync()
