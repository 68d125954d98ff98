"""Datasets, and the choice of the images that a model is evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
from edgecnn.manifest import Manifest
from edgecnn.preprocess import read_bytes

__all__ = [
    "SPLITS",
    "EvalImages",
    "EvalSplit",
    "ImageFile",
    "ImageFolder",
    "find_images",
    "require_folder",
    "scan_folder",
    "select_eval_images",
]

EvalSplit = Literal["val", "test", "all"]


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
        paths=tuple(p.path for p in chosen),
        truth=truth,
        held_out=held_out,
        note=note,
        trained_on=trained_on,
        left_out=folder.left_out,
    )


def _class_indices(folder: ImageFolder, manifest: Manifest) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in sorted({p.class_name or "" for p in folder.images}):
        index = manifest.index_of(name)
        if index is None and (label := matching_class(name, manifest.labels)) is not None:
            index = manifest.index_of(label)
        if index is None:
            known = ", ".join(manifest.labels[:5]) + (" …" if len(manifest.labels) > 5 else "")
            where = next(p.path for p in folder.images if (p.class_name or "") == name).parent
            raise DataError(
                f"{where}: the model has no class '{name}' (its classes are {known}); rename or move the folder"
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
        return content_digest(b"")  # unreadable: the evaluation reports it by name


def _choose(
    folder: ImageFolder, seen: Sequence[Split | None], which: EvalSplit | None
) -> tuple[list[ImageFile], bool, str]:
    """The images, whether none was trained on, and one line that says which they are."""
    images, trained_on = folder.images, sum(split == "train" for split in seen)
    if which == "all" or (which is None and not any(seen)):
        note = f"all {len(images)} images" + (f", {trained_on} of them trained on" if trained_on else "")
        return list(images), trained_on == 0, note
    # What the model remembers counts first; of the images that came later, the folder that they were put into
    sides = [known or image.split for image, known in zip(images, seen, strict=True)]
    if which is None:  # images of the run that were neither trained on nor set aside for the final test
        evaluated: Split | None = "val" if any(side in ("val", None) for side in sides) else "test"
        chosen = [i for i, side in enumerate(sides) if side == evaluated or (evaluated == "val" and side is None)]
    else:
        chosen = [i for i, side in enumerate(sides) if side == which]
    later = sum(seen[i] is None for i in chosen) if any(seen) else 0
    added = f", {later} of them added since training" if later else ""
    said = (
        f"the {len(chosen)} held-out images of the run's own data{added}; {trained_on} training images are left out"
        if which is None
        else f"the {len(chosen)} images of the split '{which}'{added}{_trained_on_there(folder, seen, which)}"
    )
    return [images[i] for i in chosen], True, said + (_not_evaluated(sides, seen) if which is None else "")


def _trained_on_there(folder: ImageFolder, seen: Sequence[Split | None], which: EvalSplit) -> str:
    """Images that were moved into a split after the model was trained on them."""
    moved = sum(image.split == which and known == "train" for image, known in zip(folder.images, seen, strict=True))
    return f"; {moved} more in it are left out, since the model was trained on them" if moved else ""


def _not_evaluated(sides: Sequence[Split | None], seen: Sequence[Split | None]) -> str:
    """Images that came later and lie in `train` or `test`."""
    later = [side for side, known in zip(sides, seen, strict=True) if known is None]
    told = [
        f"; {count} new ones in {side} are not among them{remedy}"
        for side, remedy in (("train", ""), ("test", " (--split test)"))
        if (count := later.count(side))  # type: ignore[arg-type]
    ]
    return "".join(told)
