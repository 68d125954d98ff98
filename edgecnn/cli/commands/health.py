"""``edgecnn health``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Json
from edgecnn.cli.output import as_json, examples, print_facts, print_json, reporting

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn health 0 --out health.json",
    "edgecnn health rtsp://user:password@camera/stream --seconds 120 --out health.json",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(health)


def health(
    source: Annotated[
        str, typer.Argument(help="A camera, a stream or a video, as for predict, while it works as it should.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write, for predict --health.")] = Path(
        "health.json"
    ),
    seconds: Annotated[float, typer.Option(help="How long to watch.")] = 60.0,
    json: Json = False,
) -> None:
    """Learn from a camera's own frames which ones are unfit: blurred, overexposed, frozen."""
    from edgecnn.atomic import check_writable
    from edgecnn.runtime.frame_quality.calibration import learn_thresholds
    from edgecnn.runtime.streaming.capture import frames_for

    check_writable(out)
    with reporting() as reporter:
        learnt = learn_thresholds(frames_for(source, seconds, reporter.stage("watching")))
    learnt.thresholds.save(out)
    if json:
        print_json({"file": out, "frames": learnt.frames, "unfit": learnt.unfit, "thresholds": learnt.thresholds})
        return
    rows = [(name, f"{value:g}") for name, value in as_json(learnt.thresholds).items()]
    print_facts(f"{out}: learnt from {learnt.frames} frames, {learnt.unfit} unfit ones left out", rows)
