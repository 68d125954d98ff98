"""Labelled clips: class folders with videos or frame folders, and CSV tables of time spans with labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.clips.clip_folder import clips_below, frames_of, is_clip
from edgecnn.data.clips.span_table import read_span_table
from edgecnn.data.folder_files import list_files
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.sources.frame import Frame

__all__ = ["UNKNOWN", "Clip", "Span", "find_clips", "find_left_out", "label_index", "read_clip"]

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Span:
    """A time span of a clip and its label."""

    start_s: float
    end_s: float  # infinity: until the clip ends
    label: int  # C: none of the model's labels


@dataclass(frozen=True)
class Clip:
    """A video file or a folder of frames, with labelled time spans."""

    path: Path
    spans: tuple[Span, ...]  # by time, apart from each other


def find_clips(sources: Sequence[Path], manifest: Manifest) -> list[Clip]:
    """Finds clips in folders (one folder per class with videos and folders of frames) and in CSV tables
    (`path,start_s,end_s,label`, one row per span).

    Paths in a table are relative to it; an empty time is the start or end of the clip. The class `unknown` is for
    everything that the model has no label for.

    Raises:
        InputNotFoundError: a source does not exist.
        DataError: no clips, an invalid table, or a class that the model does not have.
    """
    clips = [
        clip
        for source in sources
        for clip in (_of_table(source, manifest) if source.is_file() else _of_folder(source, manifest))
    ]
    seen: set[Path] = set()
    for clip in clips:
        if (real := clip.path.resolve()) in seen:
            raise DataError(f"{clip.path}: is in a class folder and in a table; remove one of them")
        seen.add(real)
    for source in sources:
        _refuse_left_out(source, seen | {source.resolve() for source in sources})
    return clips


def find_left_out(sources: Sequence[Path], clips: Sequence[Clip]) -> list[LeftOut]:
    """The files in folders of clips that belong to no clip.

    Args:
        sources: as for :func:`find_clips`; tables are not looked at.
        clips: what was found in them.
    """
    taken = {clip.path for clip in clips}
    left_out: list[LeftOut] = []
    for source in sources:
        if source.is_dir():
            files = list_files(source)
            left_out += (file for file in files.left_out if file.path not in taken)
            left_out += (LeftOut(path, "beside_clips") for path in files.images if taken.isdisjoint(path.parents))
    return left_out


def _refuse_left_out(source: Path, taken: AbstractSet[Path]) -> None:
    """Refuses a table that is not named and a video without a label beside class folders: both would be ignored."""
    left_out = (
        sorted(path for path in source.iterdir() if path.is_file() and path.resolve() not in taken)
        if source.is_dir()
        else []
    )
    if tables := [path for path in left_out if path.suffix.lower() == ".csv"]:
        raise DataError(
            f"{tables[0]}: lies beside class folders and is not read as a table unless it is named; name it too, or "
            "move it away"
        )
    if videos := [path for path in left_out if is_clip(path)]:
        raise DataError(f"{videos[0]}: is in no class folder and in no table; put it into one, or move it away")


def label_index(name: str, manifest: Manifest) -> int | None:
    """Returns the class index of a name, C for `unknown`; None if the model has no such class."""
    found = manifest.index_of(name)
    return len(manifest.labels) if found is None and name == UNKNOWN else found


def read_clip(
    clip: Clip, fps: float | None, every: int = 1, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[float, Frame]]:
    """Yields pairs of time in seconds and frame.

    Args:
        clip: the clip.
        fps: frame rate of frame folders, in frames per second; videos have their own.
        every: use every N-th frame.
        max_pixels: largest number of pixels of a frame; larger frames are refused.

    Raises:
        UsageError: a folder of frames without ``fps``.
        ImageError, SourceError: a frame or the video cannot be read.
    """
    if clip.path.is_dir():
        if fps is None:
            raise UsageError(f"{clip.path}: a folder of frames has no times; give the frame rate with --fps")
        for index, path in enumerate(frames_of(clip.path)):
            if index % every == 0:
                yield index / fps, read_frame(str(path), index, max_pixels)
        return
    from edgecnn.runtime.sources.video import read_video  # noqa: PLC0415  # folders need none of it

    for frame in read_video(str(clip.path), every, max_pixels):
        assert frame.media_time_s is not None
        yield frame.media_time_s, frame


def _of_folder(root: Path, manifest: Manifest) -> list[Clip]:
    if not root.exists():
        raise InputNotFoundError(f"{root}: no such folder or table of clips; check the path")
    clips: list[Clip] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        everything = (Span(0.0, math.inf, _require_label(str(folder), folder.name, manifest)),)
        inside = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        found = [Clip(clip, everything) for p in inside for clip in _clips_at(p)]
        if not found:
            raise DataError(
                f"{folder}: no clips; put videos into it, or one folder of frames a clip, like "
                f"{folder / '1' / '0001.jpg'}"
            )
        clips += found
    if not clips:
        raise DataError(
            f"{root}: no class folders; put clips into one folder a class, like {root / manifest.labels[0] / '1.mp4'}"
        )
    return clips


def _clips_at(path: Path) -> list[Path]:
    """A clip, or those in a folder, as those of a session are."""
    if path.is_dir():
        return clips_below(path)
    return [path] if is_clip(path) else []


def _of_table(table: Path, manifest: Manifest) -> list[Clip]:
    clips = []
    for path, spans in read_span_table(table, table.parent, "path").items():
        if not is_clip(path):
            raise DataError(f"{spans[0].where}: {path}: neither a video nor a folder of frames")
        labelled = (Span(s.start_s, s.end_s, _require_label(s.where, s.label, manifest)) for s in spans)
        clips.append(Clip(path, tuple(labelled)))
    return clips


def _require_label(where: str, name: str, manifest: Manifest) -> int:
    index = label_index(name, manifest)
    if index is None:
        known = ", ".join(manifest.labels[:5]) + (" …" if len(manifest.labels) > 5 else "")
        raise DataError(
            f"{where}: the model has no class '{name}' (its classes are {known}); correct the name, or use '{UNKNOWN}'"
        )
    return index
