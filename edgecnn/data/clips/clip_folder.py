"""A folder of clips: one folder a class, or that under `train`, `val` and `test`.

A clip is a video file, or a folder that holds the frames of one clip as images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.folder_files import is_run_folder, list_folders, why_left_out
from edgecnn.data.image_folder import SPLITS, require_folder
from edgecnn.data.left_out import LeftOut
from edgecnn.data.split_names import class_key, split_of_name
from edgecnn.data.split_record import Split
from edgecnn.errors import DataError
from edgecnn.video.suffixes import VIDEO_SUFFIXES

__all__ = ["ClipFile", "ClipFolder", "frames_of", "is_clip", "scan_clips"]


@dataclass(frozen=True)
class ClipFile:
    """A clip and the class folder it lies in."""

    path: Path  # a video file, or the folder with its frames
    class_name: str
    split: Split | None = None  # where the folder was split already
    below: str = ""  # the folder in the class folder in which it lies, with slashes; empty: in the class folder itself


@dataclass(frozen=True)
class ClipFolder:
    """What a folder of clips holds."""

    root: Path
    class_names: tuple[str, ...]  # sorted
    clips: tuple[ClipFile, ...]  # sorted by path
    ready_split: bool
    left_out: tuple[LeftOut, ...] = ()  # files that are not used, and why


def scan_clips(root: Path, own_run: Path | None = None) -> ClipFolder:
    """Lists a folder of clips without opening them.

    Args:
        root: one folder a class, or that under `train`, `val` and `test`.
        own_run: the run folder that is being written, which may lie in ``root``.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it is no folder, it holds no clips, or images lie where clips are expected.
    """
    folders = [f for f in list_folders(require_folder(root)) if not _is_run(f, own_run)]
    splits = [(folder, split_of_name(folder.name)) for folder in folders]
    ready = bool(splits) and all(split for _, split in splits) and any(split == "train" for _, split in splits)
    found = _Found()
    if ready:
        for folder, split in splits:
            found.classes_of(folder, split)
    else:
        found.classes_of(root, None, folders)
    if not found.clips:
        raise DataError(
            f"{root}: contains no clips; put videos, or one folder of frames per clip, into one folder per class, like "
            f"{root / 'open' / '1.mp4'} or {root / 'open' / '1' / '0001.jpg'}"
        )
    return ClipFolder(
        root,
        tuple(sorted({clip.class_name for clip in found.clips})),
        tuple(sorted(found.clips, key=lambda clip: (SPLITS.index(clip.split or "train"), clip.path))),
        ready,
        tuple(sorted(found.left_out, key=lambda file: file.path)),
    )


def is_clip(path: Path) -> bool:
    """Whether a path is a video file, or a folder that holds images."""
    return bool(frames_of(path)) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES


def frames_of(folder: Path) -> list[Path]:
    """The images in a folder itself, in the order of the numbers in their names: 2.jpg before 10.jpg."""
    found = [path for path in folder.iterdir() if _is_image(path)]
    return sorted(found, key=_by_number)


def _is_run(folder: Path, own_run: Path | None) -> bool:
    inside = own_run is not None and folder.resolve() in (own_run.resolve(), *own_run.resolve().parents)
    return is_run_folder(folder) or (inside and not any(is_clip(path) for path in folder.rglob("*")))


class _Found:
    """Collects the clips of class folders."""

    def __init__(self) -> None:
        self.clips: list[ClipFile] = []
        self.left_out: list[LeftOut] = []

    def classes_of(self, root: Path, split: Split | None, folders: Sequence[Path] | None = None) -> None:
        """Adds the clips in the class folders of ``root``."""
        self._leave_out(path for path in root.iterdir() if path.is_file())
        for folder in list_folders(root) if folders is None else folders:
            if loose := frames_of(folder):
                raise DataError(
                    f"{loose[0]}: is an image in a class folder, where clips are expected; put the frames of each clip "
                    f"into a folder of their own, like {folder / '1' / loose[0].name}"
                )
            self._clips_in(folder, folder, split)

    def _clips_in(self, folder: Path, class_folder: Path, split: Split | None) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        below = folder.relative_to(class_folder).as_posix().strip(".")
        name = class_key(class_folder.name)
        videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
        self.clips += (ClipFile(path, name, split, below) for path in videos)
        self._leave_out(path for path in files if path not in videos)
        for inner in list_folders(folder):
            if frames_of(inner):
                self.clips.append(ClipFile(inner, name, split, below))
            else:
                self._clips_in(inner, class_folder, split)

    def _leave_out(self, files: Iterable[Path]) -> None:
        for path in files:
            reason = why_left_out(path) or "no_class_folder"
            if reason != "not_an_image" and not path.name.startswith("."):
                self.left_out.append(LeftOut(path, "no_class_folder" if reason == "video" else reason))


def _is_image(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and why_left_out(path) is None


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Digits as numbers, the rest as text."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
