"""A folder of images: one folder a class, or that under `train`, `val` and `test`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.folder_files import FolderFiles, list_class_files, list_files, list_folders, loose_files
from edgecnn.data.left_out import LeftOut, Reason, in_place_of_images
from edgecnn.data.split_names import class_key, matching_class, split_of_name, splits_of_names
from edgecnn.data.split_record import Split
from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.plain_json import encodable

__all__ = ["SPLITS", "ImageFile", "ImageFolder", "find_images", "label_of_folder", "require_folder", "scan_folder"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class ImageFile:
    """An image file and the class folder it lies in."""

    path: Path
    class_name: str | None  # None: an image without a label
    split: Split | None = None  # where the folder was split already
    below: str = ""  # the folder in the class folder in which it lies, with slashes; empty: in the class folder itself


@dataclass(frozen=True)
class ImageFolder:
    """What a folder of images holds."""

    root: Path
    class_names: tuple[str, ...]  # sorted; of the training split where there is one; empty: no labels
    images: tuple[ImageFile, ...]  # sorted by path
    ready_split: bool
    left_out: tuple[LeftOut, ...] = ()  # files that are not used, and why
    split_folders: tuple[Path, ...] = ()  # of a ready split, whatever their names


def scan_folder(root: Path, own_run: Path | None = None) -> ImageFolder:
    """Lists a folder of images without reading more than the first bytes of files without a suffix.

    Args:
        root: one folder a class, or that under `train`, `val` and `test`.
        own_run: the run folder that is being written, which may lie in ``root``.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it is no folder, it holds no image at all, or its folders cannot be understood.
    """
    folders = list_folders(require_folder(root))
    splits = _split_folders(folders)
    if splits:
        found = _scan_ready(root, folders, splits, own_run)
    else:
        _refuse_split_inside_classes(root, folders)
        found = _scan_classes(root, folders, own_run=own_run)
    if not found.images:
        clips = any(file.reason == "video" for file in found.left_out)
        raise DataError(
            f"{root}: contains no images{in_place_of_images(found.left_out)}; put them into one folder per class, like "
            f"{root / 'cat' / '1.jpg'}{', or train on the videos with --temporal gru' if clips else ''}"
        )
    if len({image.class_name is None for image in found.images}) > 1:
        loose = next(image.path for image in found.images if image.class_name is None)
        raise DataError(
            f"{loose}: this image is not in a class folder, but other images are; move it into the folder of its "
            "class, or remove it"
        )
    return ImageFolder(
        root,
        tuple(sorted(found.classes)) if any(image.class_name for image in found.images) else (),
        tuple(sorted(found.images, key=lambda image: image.path)),
        bool(splits),
        tuple(sorted(found.left_out, key=lambda file: file.path)),
        tuple(folder for folder, _ in splits),
    )


def require_folder(root: Path) -> Path:
    """Raises :class:`InputNotFoundError` or :class:`DataError` unless ``root`` is a folder."""
    if not root.exists():
        raise InputNotFoundError(f"{root}: no such folder; check the path")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder of images, with one folder per class")
    return root


def find_images(root: Path) -> list[Path]:
    """Every image below a folder, sorted by path; linked folders are followed once, so a loop of links cannot trap it.

    Raises:
        DataError: a folder that may not be read, which would count as empty.
    """
    return list(list_files(root).images)


@dataclass(frozen=True)
class _Scanned:
    classes: frozenset[str]
    images: list[ImageFile]
    left_out: list[LeftOut]


# One folder a class


def _scan_classes(
    root: Path, folders: Sequence[Path], split: Split | None = None, own_run: Path | None = None
) -> _Scanned:
    """Class folders in a folder; without any, the images in it have no label."""
    if not folders:
        files = list_files(root)
        return _Scanned(
            frozenset(), [ImageFile(path, None, split) for path in files.images], _of_this_folder(files, root)
        )
    classes: set[str] = set()
    images: list[ImageFile] = []
    left_out = loose_files(root)
    for folder in folders:
        files = list_class_files(folder, own_run)
        left_out += files.left_out
        if files.images or not files.holds_run:
            name = label_of_folder(folder)
            classes.add(name)
            images += (ImageFile(p, name, split, _below(p, folder)) for p in files.images)
    return _Scanned(frozenset(classes), images, left_out)


def label_of_folder(folder: Path) -> str:
    """The class that a folder names; model files hold it as UTF-8. Raises :class:`DataError` where it is no text."""
    name = class_key(folder.name)
    if not encodable(name):
        raise DataError(f"{folder}: the name of a class must be UTF-8 text, for it is a label; rename the folder")
    return name


def _below(path: Path, folder: Path) -> str:
    below = path.parent.relative_to(folder)
    return below.as_posix() if below.parts else ""


def _of_this_folder(files: FolderFiles, root: Path) -> list[LeftOut]:
    """Tables and texts beside the images of a folder without classes are not worth a word."""
    return [file for file in files.left_out if file.reason != "not_an_image" or file.path.parent != root]


def _refuse_split_inside_classes(root: Path, folders: Sequence[Path]) -> None:
    """Raises :class:`DataError` where `train` and `test` lie in the class folders, or one folder deeper than given."""
    split = [folder for folder in folders if _holds_splits(folder)]
    if not split or any(list_class_files(folder).images for folder in folders if folder not in split):
        return
    if len(split) == 1:
        raise DataError(f"{root}: the splits lie in its folder {split[0].name}; give {split[0]}")
    raise DataError(
        f"{root}: its class folders hold split folders ({split[0] / 'train'} …), so that training and test images "
        f"would be mixed; put the classes into the splits: {root / 'train' / split[0].name}"
    )


def _holds_splits(folder: Path) -> bool:
    found = {*splits_of_names(sub.name for sub in list_folders(folder)).values()}
    return "train" in found and len(found) > 1


# train, val and test


def _split_folders(folders: Sequence[Path]) -> list[tuple[Path, Split]]:
    """The folders that are splits, in the order of the splits; none where all are classes.

    They are splits where all folders have the names of splits; or where `train` holds class folders and nothing else,
    and another split, or no further folder with images, lies beside.
    """
    found = splits_of_names(folder.name for folder in folders)
    named = [(_inner(folder, split), split) for folder in folders if (split := found.get(folder.name))]
    if not named:
        return []
    if len(named) < len(folders) or not all(split_of_name(name) for name in found):
        several = len({split for _, split in named}) > 1
        fewest = 1 if several else 2
        if not any(split == "train" and _holds_classes(folder, fewest) for folder, split in named):
            return []
        others = [folder for folder in folders if folder.name not in found]
        if not several and any(list_class_files(folder).images for folder in others):
            return []
    return sorted(named, key=lambda item: SPLITS.index(item[1]))


def _holds_classes(folder: Path, fewest: int) -> bool:
    return len(list_folders(folder)) >= fewest and not any(
        file.reason == "no_class_folder" for file in loose_files(folder)
    )


def _inner(folder: Path, split: Split) -> Path:
    """`train/train` and `seg_train/seg_train`, as some archives are packed, are `train` and `seg_train`."""
    inside = list_folders(folder)
    named_alike = len(inside) == 1 and (inside[0].name == folder.name or split_of_name(inside[0].name) == split)
    if named_alike and not loose_files(folder):
        return inside[0]
    return folder


def _scan_ready(
    root: Path, folders: Sequence[Path], splits: Sequence[tuple[Path, Split]], own_run: Path | None
) -> _Scanned:
    taken = [folder for folder, _ in splits]
    left_out = loose_files(root)
    for folder in folders:
        if not any(path == folder or folder in path.parents for path in taken):
            files = list_class_files(folder, own_run)
            left_out += (*_renamed(files.images, "beside_split"), *files.left_out)
    scanned = [_scan_classes(folder, list_folders(folder), split, own_run) for folder, split in splits]
    training = frozenset().union(
        *(found.classes for found, (_, split) in zip(scanned, splits, strict=True) if split == "train")
    )
    images: list[ImageFile] = []
    for found, (_, split) in zip(scanned, splits, strict=True):
        left_out += found.left_out
        if split == "test" and training and _without_labels(found.classes, training):
            left_out += _renamed((image.path for image in found.images), "unlabelled_split")
        else:
            images += (_named_as(image, training) for image in found.images)
    return _Scanned(training or frozenset(image.class_name or "" for image in images), images, left_out)


def _without_labels(classes: frozenset[str], training: frozenset[str]) -> bool:
    """No class folders, or a single one of a name that training does not know (`test/images`)."""
    return not classes or (len(classes) == 1 and matching_class(next(iter(classes)), training) is None)


def _named_as(image: ImageFile, training: frozenset[str]) -> ImageFile:
    """With the name that the training split has for its class."""
    known = matching_class(image.class_name or "", training)
    return image if known in (None, image.class_name) else ImageFile(image.path, known, image.split, image.below)


def _renamed(paths: Iterable[Path], reason: Reason) -> list[LeftOut]:
    return [LeftOut(path, reason) for path in paths]
