"""``val --engine ray``: labelled images of a folder or a bucket, and the metrics of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.data.dataset import EvalImages, class_indices, select_eval_images
from edgecnn.data.loading import Skipped
from edgecnn.errors import DataError, UsageError
from edgecnn.evaluation.evaluate import DatasetPredictions, ValResult
from edgecnn.scale.images.addresses import is_stored, parse_stored
from edgecnn.scale.images.image_list import ImageList
from edgecnn.scale.images.listing import Listed, list_sources
from edgecnn.scale.images.storage import Storage
from edgecnn.scale.shard_files import ShardFiles

if TYPE_CHECKING:
    from edgecnn.data.held_out import EvalSplit
    from edgecnn.manifest import Manifest
    from edgecnn.scale.prepared import OpenedModel
    from edgecnn.scale.summary import Summary

__all__ = ["Labelled", "list_labelled", "measured"]


@dataclass(frozen=True)
class Labelled:
    """Images with their classes."""

    listed: Listed
    truth: tuple[int, ...]  # class index of each
    chosen: EvalImages  # its note, and what was left out; its paths and truth are not used


def list_labelled(data: str, model: OpenedModel, which: EvalSplit | None) -> Labelled:
    """Lists the labelled images of a folder, chosen as ``val`` does, or of a bucket, all of them.

    Args:
        data: a folder or an address, with one folder per class.
        model: defines the classes, and remembers the images that it was trained on.
        which: a split of a folder.

    Raises:
        InputNotFoundError, DataError, SourceError: there are no labelled images of classes of this model.
        UsageError: a split of a bucket was asked for.
    """
    if not is_stored(data):
        chosen = select_eval_images(Path(data), model.manifest, model.record, which)
        assert chosen.truth is not None
        listed = _listed_here(chosen)
        return Labelled(listed, chosen.truth, chosen)
    if which not in (None, "all"):
        raise UsageError(
            f"--split {which}: which images of a bucket the model was trained on is not known before they are read; "
            "name the folder of the split with --data"
        )
    listed = list_sources([data])
    names = listed.images.part(0, len(listed.images))
    truth = _classes(data, names, model.manifest)
    note = f"all {len(names)} images of {parse_stored(data).name}; whether the model was trained on them is not known"
    return Labelled(listed, truth, EvalImages((), None, held_out=False, note=note))


def _listed_here(chosen: EvalImages) -> Listed:
    names = [str(path) for path in chosen.paths]
    base = str(Path.cwd())
    return Listed(ImageList.of(names).below(base), Storage(base), (), names[0])


def _classes(data: str, names: list[str], manifest: Manifest) -> tuple[int, ...]:
    """The class index of each image of a bucket: that of the folder right below the address.

    Raises:
        DataError: an image lies in no class folder, or the model has no such class.
    """
    start = f"{parse_stored(data).name.rstrip('/')}/"
    folders = []
    for name in names:
        folder, inside, _ = name.removeprefix(start).partition("/")
        if not inside or not name.startswith(start):
            raise DataError(f"{name}: has no label; put the images into one folder per class below --data")
        folders.append(folder)
    index: Mapping[str, int] = class_indices({folder: Path(folder) for folder in folders}, manifest)
    return tuple(index[folder] for folder in folders)


def measured(labelled: Labelled, files: ShardFiles, shards: int, model: OpenedModel, summary: Summary) -> ValResult:
    """The metrics of all rows. Holds the probabilities of all images: four bytes for each image and class.

    Raises:
        DataError: no image can be read.
    """
    from pyarrow import parquet  # noqa: PLC0415  # of the extra `ray`

    indices: list[int] = []
    skipped: list[Skipped] = []
    blocks = []
    for shard in range(shards):
        table = parquet.read_table(files.path(shard), columns=["source", "frame", "reason", "probabilities"])
        given = table["probabilities"].is_valid().to_numpy()
        numbers = table["frame"].to_numpy()
        indices += numbers[given].tolist()
        flat = table["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        blocks.append(flat.reshape(-1, len(model.manifest.labels)))  # [N, C]
        unread = table.filter(~given)
        skipped += map(Skipped, unread["source"].to_pylist(), unread["reason"].to_pylist())
    if not indices:
        raise DataError(f"{skipped[0].path}: none of {len(skipped)} images can be read; first: {skipped[0].reason}")
    chosen = labelled.chosen
    evaluated = EvalImages((), labelled.truth, held_out=chosen.held_out, note=chosen.note, left_out=chosen.left_out)
    predictions = DatasetPredictions(tuple(indices), np.concatenate(blocks), tuple(skipped), summary.seconds)
    return ValResult.of(evaluated, predictions, model.manifest.labels)
