"""What ``predict`` and ``val`` share where they run on a cluster: the output folder, the run, the estimate."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.cli.options import EngineOption, require_extra
from edgecnn.cli.output import note, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.scale.engine import JobInput
    from edgecnn.scale.estimate import Estimate
    from edgecnn.scale.job import Job
    from edgecnn.scale.summary import Summary

__all__ = ["checked_output", "counts_line", "print_estimate", "run_into"]


def checked_output(o: EngineOption, command: str) -> Path:
    """The output folder. Raises :class:`UsageError` for options that cannot be used."""
    require_extra(f"{command} --engine ray", "ray")
    if o.out is None:
        raise UsageError("--engine ray writes Parquet files; name a folder for them with --out")
    if "://" in str(o.out) or ":/" in str(o.out)[2:]:
        raise UsageError(f"--out {o.out}: is no folder of this machine, which writes the answers; name one")
    for flag, number in (("--workers", o.workers), ("--shard-size", o.shard_size)):
        if number is not None and number < 1:
            raise UsageError(f"{flag} {number}: expected at least 1")
    return o.out


def run_into(o: EngineOption, job: Job, given: JobInput, out: Path, stage: str) -> Summary:
    """Answers what is missing in an output folder, under its lock. Raises :class:`EdgeCNNError`."""
    from edgecnn.atomic import make_folder
    from edgecnn.folder_lock import folder_lock
    from edgecnn.scale.engine import ClusterOptions, run_job
    from edgecnn.scale.job import check_job, keep_job

    check_job(out, job)
    make_folder(out)
    with ExitStack() as opened:
        opened.enter_context(folder_lock(out, "--out", note))
        keep_job(out, job)
        reporter = opened.enter_context(reporting())
        where = ClusterOptions(o.address, o.workers, o.core_price)
        return run_job(job, given, out, where, reporter.stage(stage), reporter.say)


def print_estimate(o: EngineOption, job: Job, given: JobInput, out: Path, *, as_json: bool) -> None:
    """What a dry run found, for people or as JSON. Raises :class:`EdgeCNNError`."""
    from edgecnn.scale.estimate import estimate
    from edgecnn.scale.job import check_job

    check_job(out, job)
    found = estimate(job, given, out, o.core_price)
    (print_json if as_json else _note_estimate)(found)


def _note_estimate(found: Estimate) -> None:
    note(
        f"{found.images} images in {found.shards} shards, {found.shards_before} of them there; {found.missing} images "
        "missing"
    )
    if found.seconds_per_image is None or found.core_hours is None:
        note(f"no estimate: none of {found.sampled} images that were tried can be read")
        return
    cost = "" if found.cost is None else f", {found.cost:.2f} to pay"
    note(
        f"{found.seconds_per_image * 1e3:.1f} ms an image on a core of this machine: {found.core_hours:.2g} "
        f"core-hours{cost}"
    )


def counts_line(s: Summary) -> str:
    """A summary for people."""
    parts = [f"{s.answered} answered", f"{s.unknown} unknown"]
    others = ((s.no_decision, "without a decision"), (s.errors, "unreadable"), (s.missing, "still missing"))
    parts += [f"{count} {what}" for count, what in others if count]
    rate = "nothing was missing" if s.images_per_s is None else f"{s.images_per_s:.1f} a second"
    cost = "" if s.cost is None else f", cost {s.cost:.2f}"
    return f"{s.images} images: {', '.join(parts)}; {s.seconds:.1f} s, {rate}, {s.core_hours:.2g} core-hours{cost}"
