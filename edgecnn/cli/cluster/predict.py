"""``edgecnn predict --engine ray``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.cli.cluster.running import checked_output, counts_line, print_estimate, run_into
from edgecnn.cli.output import note, note_left_out, print_json
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.cli.predict_options import PredictOptions
    from edgecnn.scale.prepared import ModelOrder

__all__ = ["predict_on_cluster"]

_NOT_FOR_RAY = (
    *("threads", "batch", "every", "max_frames", "smoothing", "per_clip", "on_change", "line_format", "save", "show"),
    *("health", "fail_fast", "interval", "fps"),
)
"""Options of ``predict`` about cameras, videos and lines, which shards have not, or which a worker sets itself."""


def predict_on_cluster(o: PredictOptions) -> int:
    """Answers images on a Ray cluster; returns the exit status: 2 where no image has an answer, or one has no row."""
    from edgecnn.command_options import declarations

    for declared in declarations(type(o)):
        if declared.name in _NOT_FOR_RAY and getattr(o, declared.name) != declared.default:
            raise UsageError(f"{declared.flag}: is no option of --engine ray; leave it out, or leave --engine out")
    out = checked_output(o, "predict")
    from edgecnn.scale.images.listing import list_sources
    from edgecnn.scale.prepared import open_once, prepare

    model = open_once(_model_order(o))
    listed = list_sources(o.sources)
    job, given = prepare(model, listed, o.shard_size)
    if o.dry_run:
        print_estimate(o, job, given, out, as_json=o.json)
        return 0
    summary = run_into(o, job, given, out, "predicting")
    note_left_out(listed.folders)
    note(f"{counts_line(summary)}; {out / 'summary.json'}")
    if o.json:
        print_json(summary)
    return 0 if summary.gave_answers and not summary.missing else 2


def _model_order(o: PredictOptions) -> ModelOrder:
    from edgecnn.scale.prepared import ModelOrder

    how = {
        "ep": o.ep,
        "threshold": o.threshold,
        "topk": o.topk,
        "allow": o.allow or None,
        "deny": o.deny or None,
        "prove": o.prove,
        "max_pixels": o.max_pixels,
    }
    return ModelOrder(o.model, how, o.run_options(), o.region())
