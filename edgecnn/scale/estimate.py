"""What a run will take, measured on a few of its images on this machine (``--dry-run``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.scale.engine import JobInput
from edgecnn.scale.job import Job
from edgecnn.scale.shard_files import ShardFiles
from edgecnn.scale.worker import Shard, ShardWorker

__all__ = ["Estimate", "estimate"]

_SAMPLE = 16  # images
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Estimate:
    """The plan of a run. The field names are the keys of ``--dry-run --json``."""

    images: int
    shards: int
    shards_before: int  # that are there
    missing: int  # images
    sampled: int  # images that were answered on this machine
    readable: int  # of them
    seconds_per_image: float | None  # of one core of this machine; None: no sampled image could be read
    core_hours: float | None  # of what is missing
    cost: float | None  # core_hours at --core-price


def estimate(job: Job, given: JobInput, out: Path, core_price: float | None = None) -> Estimate:
    """Counts what is missing in an output folder, and answers a few images, spread over the list, on one core.

    Writes nothing.

    Raises:
        EdgeCNNError: the model or a store cannot be opened here.
    """
    there = ShardFiles(out, job).whole()
    missing = job.images - sum(facts.images for facts in there.values())
    numbers = range(0, job.images, max(1, job.images // _SAMPLE))[:_SAMPLE]
    worker = ShardWorker(replace(given.order, labelled=False, local=None))
    worker.open()
    names = [given.images.part(number, 1)[0] for number in numbers]
    facts = worker.answer(Shard(0, 0, names)).facts
    readable = facts.images - facts.statuses["error"]
    per_image = facts.seconds / facts.images if readable else None
    core_hours = None if per_image is None else missing * per_image / _HOUR_S
    return Estimate(
        images=job.images,
        shards=job.shards,
        shards_before=len(there),
        missing=missing,
        sampled=facts.images,
        readable=readable,
        seconds_per_image=per_image,
        core_hours=core_hours,
        cost=None if core_hours is None or core_price is None else core_hours * core_price,
    )
