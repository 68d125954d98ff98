"""A run of ``--engine ray``, prepared before any cluster is touched: what can be wrong here is found here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import UsageError
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.model_file import ModelFile, check_same, read_model_file
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.scale.engine import JobInput
from edgecnn.scale.images.listing import Listed
from edgecnn.scale.job import Job, default_shard_size
from edgecnn.scale.worker import WorkerOrder

if TYPE_CHECKING:
    from edgecnn.data.split_record import SplitRecord
    from edgecnn.manifest import Manifest
    from edgecnn.runtime.streaming.region import Region

__all__ = ["ModelOrder", "OpenedModel", "open_once", "prepare"]


@dataclass(frozen=True)
class ModelOrder:
    """A model file, and how its answers are made."""

    path: Path
    classifier: dict[str, Any]  # arguments of Classifier, without threads
    options: RunOptions
    region: Region | None = None


@dataclass(frozen=True)
class OpenedModel:
    """What was found when this machine opened the model."""

    file: ModelFile
    manifest: Manifest
    record: SplitRecord | None
    order: ModelOrder


def open_once(order: ModelOrder) -> OpenedModel:
    """Opens the model on this machine and closes it again: it is checked, and tried out, before workers do the same.

    Raises:
        EdgeCNNError: as :class:`Classifier`.
        UsageError: it is a recurrent model.
    """
    file = read_model_file(order.path)
    with Classifier(order.path, **order.classifier, options=order.options) as classifier:
        check_same(file, classifier.session.sha256)
        if classifier.states is not None:
            raise UsageError(
                f"{order.path}: is a recurrent model; --engine ray answers single images; leave --engine out"
            )
        return OpenedModel(file, classifier.manifest, classifier.split_record, order)


def prepare(
    model: OpenedModel, listed: Listed, shard_size: int | None = None, truth: Sequence[int] | None = None
) -> tuple[Job, JobInput]:
    """What an output folder is for, and what its workers get.

    Args:
        model: that answers.
        listed: the images.
        shard_size: images in a shard; None: by their number.
        truth: class index of each image, where they are labelled.

    Raises:
        UsageError: the shard size is below 1.
    """
    if shard_size is not None and shard_size < 1:
        raise UsageError(f"--shard-size {shard_size}: expected at least 1")
    how, region = model.order.classifier, model.order.region
    job = Job(
        model_sha256=model.file.sha256,
        list_sha256=listed.images.sha256,
        images=len(listed.images),
        shard_size=shard_size or default_shard_size(len(listed.images)),
        labelled=truth is not None,
        ep=how["ep"],
        threshold=how.get("threshold"),
        topk=how.get("topk", 5),
        allow=tuple(how.get("allow") or ()),
        deny=tuple(how.get("deny") or ()),
        max_pixels=how["max_pixels"],
        region=None if region is None else str(region),
    )
    order = WorkerOrder(
        model_name=str(model.order.path),
        model=model.file.content,
        classifier={**how, "options": replace(model.order.options, threads=1)},
        storage=listed.storage,
        region=region,
        labelled=truth is not None,
        local=listed.local,
    )
    return job, JobInput(listed.images, order, truth)
