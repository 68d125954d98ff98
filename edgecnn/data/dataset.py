"""Datasets, and the choice of the images that a model is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.held_out import EvalSplit, choose_held_out
from edgecnn.data.image_folder import (
    SPLITS,
    ImageFile,
    ImageFolder,
    find_images,
    require_folder,
    scan_folder,
)
from edgecnn.data.left_out import LeftOut
from edgecnn.data.split_names import matching_class
from edgecnn.data.split_record import Split, SplitRecord, content_digest
from edgecnn.errors import DataError, ImageError, InputNotFoundError
from edgecnn.image_size import MOST_PIXELS
from edgecnn.manifest import Manifest
from edgecnn.preprocess import read_bytes

__all__ = [
    "SPLITS",
    "EvalImages",
    "EvalSplit",
    "ImageFile",
    "ImageFolder",
    "class_indices",
    "find_images",
    "require_folder",
    "scan_folder",
    "select_eval_images",
]


@dataclass(frozen=True)
class EvalImages:
    """The images that a model is evaluated on, and a note that describes the choice."""

    paths: tuple[Path, ...]
    truth: tuple[int, ...] | None  # class index an image; None without labels
    held_out: bool  # none of them was trained on, as far as the model file remembers
    note: str  # one line for people
    # Images of the folder that the model was trained on: they may calibrate it, not evaluate it
    trained_on: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()  # files of the folder that are no images that can be used


def select_eval_images(
    root: Path,
    manifest: Manifest,
    record: SplitRecord | None,
    which: EvalSplit | None = None,
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
        places = {p.class_name or "": p.path.parent for p in reversed(folder.images)}
        class_index = class_indices(places, manifest)
    elif labels_needed:
        raise DataError(
            f"{root}: its images have no labels; put them into one folder per class, named "
            f"{', '.join(manifest.labels[:3])} …"
        )
    seen = _splits(folder, record)
    choice = choose_held_out(folder.images, seen, which, "images")
    chosen = [folder.images[i] for i in choice.indices]
    if not chosen:
        asked = f"the split '{which}' contains no images" if which else "the model was trained on every image in it"
        raise DataError(f"{root}: {asked}; give other images{', or use --split all' if labels_needed else ''}")
    truth = tuple(class_index[p.class_name or ""] for p in chosen) if folder.class_names else None
    trained_on = tuple(p.path for p, split in zip(folder.images, seen, strict=True) if split == "train")
    return EvalImages(
        paths=tuple(p.path for p in chosen),
        truth=truth,
        held_out=choice.held_out,
        note=choice.note,
        trained_on=trained_on,
        left_out=folder.left_out,
    )


def class_indices(places: Mapping[str, Path], manifest: Manifest) -> dict[str, int]:
    """The index of each class folder's class.

    Args:
        places: a folder of each name, for the error.
        manifest: of the model.

    Raises:
        DataError: the model has no such class.
    """
    found: dict[str, int] = {}
    for name in sorted(places):
        index = manifest.index_of(name)
        if index is None and (label := matching_class(name, manifest.labels)) is not None:
            index = manifest.index_of(label)
        if index is None:
            known = ", ".join(manifest.labels[:5]) + (" …" if len(manifest.labels) > 5 else "")
            raise DataError(
                f"{places[name]}: the model has no class '{name}' (its classes are {known}); rename or move the folder"
            )
        found[name] = index
    return found


def _splits(folder: ImageFolder, record: SplitRecord | None) -> list[Split | None]:
    if record is None:
        return [None] * len(folder.images)
    return [record.split_of(_digest(image.path)) for image in folder.images]


def _digest(path: Path) -> str:
    try:
        return content_digest(read_bytes(path, MOST_PIXELS))
    except (ImageError, InputNotFoundError):
        return content_digest(b"")  # unreadable: the evaluation reports it by name
