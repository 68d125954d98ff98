"""``edgecnn capture``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import HealthOption, IntervalOption, JsonOption, RegionOption, StreamStartOption
from edgecnn.cli.output import note, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class CaptureCommandOptions(
    HealthOption, RegionOption, StreamStartOption, IntervalOption, LargeImageOption, JsonOption
):
    """Options of ``edgecnn capture``."""

    source: Annotated[str, Argument("Camera, stream or video, as for predict.")]
    label: Annotated[str, Option("Class that the frames belong to.")]
    out: Annotated[
        Path, Option("Dataset folder; the frames go into its folder of that label.", short="-o", metavar="DIR")
    ] = Path("data")
    count: Annotated[int, Option("Number of frames to save.")] = 100
    every: Annotated[float, Option("Time between two saved frames in seconds.")] = 1.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        CaptureCommandOptions,
        capture,
        "edgecnn capture 0 --label dog --out data --count 200 --every 0.5",
        "edgecnn capture rtsp://user:password@camera/stream --label empty --out data",
        "edgecnn capture clip.mp4 --label cat --out data --every 2",
        "edgecnn capture 0 --label dog --roi 160,0,320,480 --out data",
    )


def capture(options: CaptureCommandOptions) -> int:
    """Save frames of a camera into a class folder, to train on; skip black, frozen and torn frames."""
    from edgecnn.runtime.frame_quality.checker import FrameHealth
    from edgecnn.runtime.streaming.capture import CaptureOptions
    from edgecnn.runtime.streaming.capture import capture as run

    thresholds = options.health_thresholds()
    wanted = CaptureOptions(
        source=options.source,
        label=options.label,
        data=options.out,
        count=options.count,
        every_s=options.every,
        health=FrameHealth(thresholds) if thresholds else None,
        fail_fast=options.fail_fast,
        interval_s=options.interval,
        max_pixels=options.max_pixels,
        region=options.region(),
    )
    with reporting() as reporter:
        result = run(wanted, reporter.stage(f"capturing {options.label}"))
    if options.json:
        print_json(
            {"saved": result.saved, "skipped": result.skipped, "folder": result.folder, "reasons": result.reasons}
        )
    else:
        skipped = f"; {result.skipped} passed over: {', '.join(result.reasons)}" if result.skipped else ""
        print(f"{result.folder}: {result.saved} frames saved{skipped}")
    if not result.saved:
        note("edgecnn: no frame was saved")
        return 2
    return 0
