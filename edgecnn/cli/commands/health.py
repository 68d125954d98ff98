"""``edgecnn health``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import IntervalOption, JsonOption, RegionOption
from edgecnn.cli.output import as_json, note, print_facts, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class HealthOptions(RegionOption, IntervalOption, LargeImageOption, JsonOption):
    """Options of ``edgecnn health``."""

    source: Annotated[str, Argument("Camera, stream or video, as for predict, while its images are good.")]
    out: Annotated[Path, Option("File to write, for predict --health.", short="-o", metavar="FILE")] = Path(
        "health.json"
    )
    seconds: Annotated[float, Option("Duration of the recording in seconds.")] = 60.0
    view: Annotated[
        bool, Option("Do not learn the view: leave a moved, turned or covered camera unnoticed.", flag="--no-view")
    ] = True
    add: Annotated[
        bool,
        Option("Add to the file what is learned now, for example by night: it then accepts either, and both views."),
    ] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        HealthOptions,
        health,
        "edgecnn health 0 --out health.json",
        "edgecnn health rtsp://user:password@camera/stream --seconds 120 --out health.json",
        "edgecnn health 0 --add --out health.json",
    )


def health(options: HealthOptions) -> None:
    """Learn the frame health limits of a camera, which frames are blurred, overexposed or frozen; and its view."""
    from edgecnn.atomic import check_writable
    from edgecnn.runtime.frame_quality.calibration import learn_thresholds
    from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
    from edgecnn.runtime.streaming.capture import frames_for

    out = options.out
    before = FrameQualityThresholds.load(out) if options.add else None
    check_writable(out)
    with reporting() as reporter:
        learnt = learn_thresholds(
            frames_for(
                options.source,
                options.seconds,
                reporter.stage("watching"),
                options.interval,
                options.max_pixels,
                options.region(),
            ),
            view=options.view,
        )
    thresholds = learnt.thresholds if before is None else before.joined(learnt.thresholds)
    thresholds.save(out)
    if options.view and not learnt.view:
        note("edgecnn: the view was not learned: the camera moved, or it shows too little; the other limits were")
    if options.json:
        print_json({"file": out, "frames": learnt.frames, "unfit": learnt.unfit, "thresholds": thresholds})
        return
    values = {**as_json(thresholds), "references": len(thresholds.references)}
    rows = [(name, f"{value:g}") for name, value in values.items()]
    print_facts(f"{out}: learnt from {learnt.frames} frames, {learnt.unfit} unfit ones left out", rows)
