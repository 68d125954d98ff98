"""Datasets: one folder per class, or such folders under `train`, `val` and `test`; choice of evaluation images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from edgecnn.data.split_record import Split, SplitRecord, content_digest
from edgecnn.errors import DataError, ImageError, InputNotFoundError
from edgecnn.image.header import IMAGE_SUFFIXES
from edgecnn.manifest import Manifest
from edgecnn.preprocess import read_bytes

__all__ = [
    "EvalImages",
    "ImageFile",
    "ImageFolder",
    "find_images",
    "require_folder",
    "scan_folder",
    "select_eval_images",
]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class ImageFile:
    """An image file and its class folder."""

    path: Path
    class_name: str | None  # None: an image without a label
    split: Split | None = None  # where the folder was split already


@dataclass(frozen=True)
class ImageFolder:
    """The images and classes of a dataset."""

    root: Path
    class_names: tuple[str, ...]  # sorted; of the training split where there is one; empty: no labels
    images: tuple[ImageFile, ...]  # sorted by path
    ready_split: bool


def scan_folder(root: Path) -> ImageFolder:
    """Lists the images of a dataset without reading them.

    Hidden files and folders, and files without an image suffix, are skipped.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: the path is not a folder, or the folder contains no images.
    """
    folders = _folders(require_folder(root))
    ready = bool(folders) and all(folder.name in SPLITS for folder in folders)
    images: list[ImageFile] = []
    if ready:
        for folder in folders:
            images += _labelled(folder, split=folder.name)  # type: ignore[arg-type]
        classes = (
            {p.name for p in _folders(root / "train")}
            if (root / "train").is_dir()
            else {p.class_name or "" for p in images}
        )
    else:
        images += _labelled(root, split=None)
        classes = {p.name for p in folders}
    if not images:
        raise DataError(
            f"{root}: contains no images; put them into one folder per class, like {root / 'cat' / '1.jpg'}"
        )
    if len({p.class_name is None for p in images}) > 1:
        loose = next(p.path for p in images if p.class_name is None)
        raise DataError(
            f"{loose}: this image is not in a class folder, but other images are; move it into the "
            "folder of its class, or remove it"
        )
    return ImageFolder(root, tuple(sorted(classes)) if any(p.class_name for p in images) else (), tuple(images), ready)


def require_folder(root: Path) -> Path:
    """Raises :class:`InputNotFoundError` or :class:`DataError` unless ``root`` is a folder."""
    if not root.exists():
        raise InputNotFoundError(f"{root}: no such folder; check the path")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected a folder of images, with one folder per class")
    return root


def find_images(root: Path) -> list[Path]:
    """Returns all images below a folder, sorted by path. Does not follow links to folders, which may form a loop.

    Raises:
        DataError: a folder cannot be listed.
    """
    found: list[Path] = []
    for folder, folders, files in os.walk(root, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += (
            Path(folder, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
        )
    return sorted(found)


def _cannot_list(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be listed: {error.strerror}; allow reading it, or remove it") from error


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        _cannot_list(error)


def _labelled(root: Path, split: Split | None) -> Iterator[ImageFile]:
    folders = _folders(root)
    for folder in folders:
        for path in find_images(folder):
            yield ImageFile(path, folder.name, split)
    if not folders:
        for path in find_images(root):
            yield ImageFile(path, None, split)


@dataclass(frozen=True)
class EvalImages:
    """The images that a model is evaluated on, and a note that describes the choice."""

    paths: tuple[Path, ...]
    truth: tuple[int, ...] | None  # class index an image; None without labels
    held_out: bool  # none of them was trained on, as far as the model file remembers
    note: str  # one line for people
    # Images of the folder that the model was trained on: they may calibrate it, not evaluate it
    trained_on: tuple[Path, ...] = ()


def select_eval_images(
    root: Path,
    manifest: Manifest,
    record: SplitRecord | None,
    which: Literal["val", "test", "all"] | None = None,
    *,
    labels_needed: bool = True,
) -> EvalImages:
    """Chooses the images of a dataset on which to evaluate a model.

    If the folder is the model's own training data, images that it was trained on are left out, unless ``which`` is
    `all`.

    Args:
        root: one folder per class, named by label or id; or such folders under `train`, `val`, `test`.
        manifest: defines the classes.
        record: the images that the model was trained on; None if not recorded.
        which: a split, or None for every image that the model was not trained on.
        labels_needed: if true, images without labels are an error, as for ``edgecnn val``.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: no images, a folder that is not a class of the model, or no image left to evaluate on.
    """
    folder = scan_folder(root)
    if folder.class_names:
        class_index = _class_indices(folder, manifest)
    elif labels_needed:
        raise DataError(
            f"{root}: its images have no labels; put them into one folder per class, named "
            f"{', '.join(manifest.labels[:3])} …"
        )
    seen = _splits(folder, record)
    chosen, held_out, note = _choose(folder, seen, which)
    if not chosen:
        asked = f"the split '{which}' contains no images" if which else "the model was trained on every image in it"
        raise DataError(f"{root}: {asked}; give other images{', or use --split all' if labels_needed else ''}")
    truth = tuple(class_index[p.class_name or ""] for p in chosen) if folder.class_names else None
    trained_on = tuple(p.path for p, split in zip(folder.images, seen, strict=True) if split == "train")
    return EvalImages(
        paths=tuple(p.path for p in chosen), truth=truth, held_out=held_out, note=note, trained_on=trained_on
    )


def _class_indices(folder: ImageFolder, manifest: Manifest) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in sorted({p.class_name or "" for p in folder.images}):
        index = manifest.index_of(name)
        if index is None:
            known = ", ".join(manifest.labels[:5]) + (" …" if len(manifest.labels) > 5 else "")
            raise DataError(
                f"{folder.root / name}: the model has no class '{name}' (its classes are {known}); "
                "rename or move the folder"
            )
        found[name] = index
    return found


def _splits(folder: ImageFolder, record: SplitRecord | None) -> list[Split | None]:
    if record is None:
        return [None] * len(folder.images)
    return [record.split_of(_digest(image.path)) for image in folder.images]


def _digest(path: Path) -> str:
    try:
        return content_digest(read_bytes(path))
    except (ImageError, InputNotFoundError):
        return content_digest(b"")  # unreadable: whoever evaluates it will say so, by name


def _choose(
    folder: ImageFolder, seen: Sequence[Split | None], which: Literal["val", "test", "all"] | None
) -> tuple[list[ImageFile], bool, str]:
    images = folder.images
    trained_on = sum(split == "train" for split in seen)

    def where(keep: Callable[[ImageFile, Split | None], bool]) -> list[ImageFile]:
        return [p for p, split in zip(images, seen, strict=True) if keep(p, split)]

    if which == "all" or (which is None and not any(seen)):
        note = (
            f"all {len(images)} images, {trained_on} of them trained on" if trained_on else f"all {len(images)} images"
        )
        return list(images), trained_on == 0, note
    if which is None:  # the run's own data: what it neither trained on nor set aside for the final test
        chosen = where(lambda _, split: split in ("val", None)) or where(lambda _, split: split == "test")
        note = f"the {len(chosen)} held-out images of the run's own data; {trained_on} training images are left out"
        return chosen, True, note
    chosen = where(lambda p, split: split == which if any(seen) else p.split == which)
    return chosen, True, f"the {len(chosen)} images of the split '{which}'"
