"""A folder of clips: one folder per class, or such folders under `train`, `val` and `test`.

A clip is a video file, or a folder that holds the frames of one clip as images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.file_kinds import why_left_out
from edgecnn.data.folder_files import FolderFiles, list_class_files, list_entries, list_folders, loose_files
from edgecnn.data.image_folder import SPLITS, label_of_folder, require_folder
from edgecnn.data.left_out import LeftOut
from edgecnn.data.name_order import by_number
from edgecnn.data.split_names import splits_of_names
from edgecnn.data.split_record import Split
from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.image.suffixes import VIDEO_SUFFIXES

__all__ = [
    "ClipFile",
    "ClipFolder",
    "clips_below",
    "clips_in",
    "frames_of",
    "holds_videos",
    "is_clip",
    "scan_clips",
]


@dataclass(frozen=True)
class ClipFile:
    """A clip, and the class folder that it lies in."""

    path: Path  # a video file, or the folder with its frames
    class_name: str
    split: Split | None = None  # None: the folder has no split of its own
    below: str = ""  # path of its folder in the class folder, with slashes; empty: the class folder itself


@dataclass(frozen=True)
class ClipFolder:
    """What a folder of clips holds."""

    root: Path
    class_names: tuple[str, ...]  # sorted
    clips: tuple[ClipFile, ...]  # sorted by path
    ready_split: bool  # whether the folder is split already
    left_out: tuple[LeftOut, ...] = ()  # files that are not used, and why


def scan_clips(root: Path, own_run: Path | None = None) -> ClipFolder:
    """Lists a folder of clips without opening them.

    Args:
        root: one folder per class, or such folders under `train`, `val` and `test`.
        own_run: the run folder that is being written; it is skipped where it lies in ``root``.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it is not a folder, it holds no clips, or images lie where clips are expected.
    """
    folders = list_folders(require_folder(root))
    names = splits_of_names(folder.name for folder in folders)
    splits = [(folder, names.get(folder.name)) for folder in folders]
    ready = bool(splits) and all(split for _, split in splits) and any(split == "train" for _, split in splits)
    found = _Found(own_run)
    if ready:
        for folder, split in splits:
            found.add_classes(folder, split)
    else:
        found.add_classes(root, None)
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


def clips_in(folder: Path) -> list[Path]:
    """The clips of a folder, in order: itself if it holds images, and all videos and folders with images below it.

    A folder that holds nothing is a clip without frames, which is an error where it is read. Links to folders are
    followed, but no folder is read twice.

    Raises:
        DataError: it holds neither frames nor clips, or a folder may not be listed.
    """
    found = list(_clips_in(folder, set(folder.resolve().parents)))
    if not any(is_clip(clip) for clip in found):
        raise DataError(f"{folder}: the folder contains no images and no videos; check the path")
    return found


def clips_below(folder: Path) -> list[Path]:
    """As :func:`clips_in`, for a folder that may hold none."""
    return [clip for clip in _clips_in(folder, set(folder.resolve().parents)) if is_clip(clip)]


def _clips_in(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """``seen``: the folders that are not read again, resolved."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    entries = list_entries(folder)
    inside = sorted(path for path in (*entries.files, *entries.folders) if not path.name.startswith("."))
    if frames_of(folder) or not inside:
        yield folder
    for path in inside:
        if path.is_dir():
            yield from _clips_in(path, seen)
        elif is_clip(path):
            yield path


def holds_videos(root: Path) -> bool:
    """Whether a folder certainly holds clips: most are videos, and no image lies directly in a class folder."""
    try:
        found = scan_clips(root)
    except (DataError, InputNotFoundError):
        return False
    return 2 * sum(not clip.path.is_dir() for clip in found.clips) > len(found.clips)


def frames_of(folder: Path) -> list[Path]:
    """The images directly in a folder, in the order of the numbers in their names: 2.jpg before 10.jpg."""
    files = (path for path in list_entries(folder).files if not path.name.startswith("."))
    return sorted((path for path in files if why_left_out(path) is None), key=lambda path: by_number(path.name))


class _Found:
    """Collects the clips of class folders."""

    def __init__(self, own_run: Path | None) -> None:
        self._own_run = own_run
        self.clips: list[ClipFile] = []
        self.left_out: list[LeftOut] = []

    def add_classes(self, root: Path, split: Split | None) -> None:
        """Adds the clips in the class folders of ``root``."""
        self._leave_out(loose_files(root))
        for folder in list_folders(root):
            files = list_class_files(folder, self._own_run)
            self._require_no_loose_image(folder, files)
            videos = [file.path for file in files.left_out if file.reason == "video"]
            name = label_of_folder(folder)
            for path in (*videos, *sorted({image.parent for image in files.images})):
                below = path.parent.relative_to(folder).as_posix().strip(".")
                self.clips.append(ClipFile(path, name, split, below))
            self._leave_out(file for file in files.left_out if file.reason != "video")

    def _require_no_loose_image(self, folder: Path, files: FolderFiles) -> None:
        loose = next((image for image in files.images if image.parent == folder), None)
        if loose is not None:
            raise DataError(
                f"{loose}: is an image in a class folder, where clips are expected; put the frames of each clip into a "
                f"folder of their own, like {folder / '1' / loose.name}"
            )

    def _leave_out(self, files: Iterable[LeftOut]) -> None:
        for file in files:
            self.left_out.append(LeftOut(file.path, "no_class_folder") if file.reason == "video" else file)
