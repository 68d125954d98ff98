"""Answers a list of images on a cluster, shard by shard, into an output folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import ClusterError
from edgecnn.progress import Progress
from edgecnn.scale.cluster import cluster_cores, ray_cluster
from edgecnn.scale.dispatch import Dispatcher
from edgecnn.scale.images.image_list import ImageList
from edgecnn.scale.job import Job
from edgecnn.scale.rows import ShardFacts
from edgecnn.scale.shard_files import ShardFiles
from edgecnn.scale.summary import Pace, Summary, counted, write_summary
from edgecnn.scale.worker import Shard, WorkerOrder

__all__ = ["ClusterOptions", "JobInput", "run_job"]


@dataclass(frozen=True)
class ClusterOptions:
    """Where a job runs."""

    address: str | None = None  # of a Ray cluster; None: this machine
    workers: int | None = None  # None: one for each core of the cluster
    core_price: float | None = None  # of an hour, in any currency


@dataclass(frozen=True)
class JobInput:
    """What a job answers."""

    images: ImageList
    order: WorkerOrder
    truth: Sequence[int] | None = None  # class indices of labelled images


def run_job(
    job: Job,
    given: JobInput,
    out: Path,
    options: ClusterOptions,
    progress: Progress,
    say: Callable[[str], None],
) -> Summary:
    """Answers what is missing in an output folder, whose lock the caller holds, and writes ``summary.json``.

    Args:
        job: that the folder is for (:func:`edgecnn.scale.job.keep_job`).
        given: images, model, and classes of the images.
        out: the folder.
        options: where it runs.
        progress: receives the number of images that have a row.
        say: told in one line what a user has to know.

    Raises:
        EdgeCNNError: the cluster, the model on one of its machines, a store or the folder cannot be used. Shards that
            are written stay.
    """
    run = _Run(job, given, ShardFiles(out, job), options, progress, say)
    summary = run.run()
    write_summary(out, summary)
    return summary


@dataclass
class _Run:
    job: Job
    given: JobInput
    files: ShardFiles
    options: ClusterOptions
    progress: Progress
    say: Callable[[str], None]

    def run(self) -> Summary:
        start = time.perf_counter()
        there = self.files.begin()
        before = len(there)
        missing = [shard for shard in range(self.job.shards) if shard not in there]
        workers = lost = 0
        if missing:
            with ray_cluster(self.options.address):
                workers = self._workers(len(missing))
                dispatcher = Dispatcher(self.given.order, workers, self._shard, self.say)
                self._take(dispatcher, missing, there, workers)
                lost = dispatcher.lost
        images, statuses, core_hours = counted(there.values())
        seconds, price = time.perf_counter() - start, self.options.core_price
        of_this_run = sum(there[shard].images for shard in missing if shard in there)
        return Summary(
            images=images,
            missing=self.job.images - images,
            answered=statuses["ok"],
            unknown=statuses["unknown"],
            no_decision=statuses["no_decision"],
            errors=statuses["error"],
            seconds=seconds,
            images_per_s=of_this_run / seconds if missing else None,
            workers=workers,
            workers_lost=lost,
            shards=len(there),
            shards_before=before,
            core_hours=core_hours,
            cost=None if price is None else core_hours * price,
            model_sha256=self.job.model_sha256,
        )

    def _workers(self, shards: int) -> int:
        cores = cluster_cores()
        if not cores:
            raise ClusterError("the cluster has no core for a worker; start a machine with `ray start`")
        if (self.options.workers or 0) > cores:
            self.say(f"--workers {self.options.workers}: the cluster has {cores} cores; the others wait for more")
        return min(self.options.workers or cores, shards)

    def _take(self, dispatcher: Dispatcher, missing: list[int], there: dict[int, ShardFacts], workers: int) -> None:
        """Writes the shards that come in, and adds them to those that are there."""
        done = sum(facts.images for facts in there.values())
        before, start = done, time.perf_counter()
        self.progress(done, self.job.images)
        with closing(dispatcher.run(missing)) as answers:
            for answer in answers:
                self.files.write(answer.number, answer.content)
                there[answer.number] = answer.facts
                done += answer.facts.images
                seconds = time.perf_counter() - start
                pace = Pace(done - before, self.job.images - done, seconds, workers, self.options.core_price)
                self.progress(done, self.job.images, pace.line)

    def _shard(self, number: int) -> Shard:
        first, count = self.job.place(number)
        truth = self.given.truth
        names = self.given.images.part(first, count)
        return Shard(number, first, names, None if truth is None else truth[first : first + count])
