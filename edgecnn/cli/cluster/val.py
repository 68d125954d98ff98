"""``edgecnn val --engine ray``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.cli.cluster.running import checked_output, counts_line, print_estimate, run_into
from edgecnn.cli.output import note
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.cli.val_options import ValOptions
    from edgecnn.evaluation.evaluate import ValResult

__all__ = ["evaluate_on_cluster"]


def evaluate_on_cluster(o: ValOptions) -> ValResult | None:
    """Evaluates a model on labelled images on a Ray cluster; None after a dry run.

    Raises:
        ClusterError: some images have no row.
    """
    out = checked_output(o, "val")
    if o.fps is not None:
        raise UsageError("--fps: is for clips, which --engine ray does not take; leave it out")
    from edgecnn.errors import ClusterError
    from edgecnn.runtime.session.run_options import RunOptions
    from edgecnn.scale.labelled import list_labelled, measured
    from edgecnn.scale.prepared import ModelOrder, open_once, prepare
    from edgecnn.scale.shard_files import ShardFiles

    how = {"ep": o.ep, "max_pixels": o.max_pixels}
    model = open_once(ModelOrder(o.model, how, RunOptions(admission_seconds=o.admission_seconds)))
    labelled = list_labelled(o.data, model, o.split)
    job, given = prepare(model, labelled.listed, o.shard_size, labelled.truth)
    if o.dry_run:
        print_estimate(o, job, given, out, as_json=o.json)
        return None
    summary = run_into(o, job, given, out, "evaluating")
    note(f"{counts_line(summary)}; {out / 'summary.json'}")
    if summary.missing:
        raise ClusterError(f"{summary.missing} images have no answer; run the same command again to add them")
    return measured(labelled, ShardFiles(out, job), job.shards, model, summary)
