"""``edgecnn capture``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.frame_health import read_health
from edgecnn.cli.options import Health, Json
from edgecnn.cli.output import examples, note, print_json, reporting

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn capture 0 --label dog --out data --count 200 --every 0.5",
    "edgecnn capture rtsp://user:password@camera/stream --label empty --out data",
    "edgecnn capture clip.mp4 --label cat --out data --every 2",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(capture)


def capture(
    source: Annotated[str, typer.Argument(help="A camera, a stream or a video, as for predict.")],
    label: Annotated[str, typer.Option(help="The class that its frames belong to.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The data set; the images go into its folder of that label.")
    ] = Path("data"),
    count: Annotated[int, typer.Option(help="Frames to save.")] = 100,
    every: Annotated[float, typer.Option(help="Seconds between two of them.")] = 1.0,
    health: Health = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End with status 2 where a stream is not there at the start.")
    ] = False,
    json: Json = False,
) -> None:
    """Save frames of a camera into a class folder, to train on; black, frozen or torn ones are passed over."""
    from edgecnn.runtime.frame_quality.checker import FrameHealth
    from edgecnn.runtime.streaming.capture import CaptureOptions
    from edgecnn.runtime.streaming.capture import capture as run

    thresholds = read_health(health)
    options = CaptureOptions(
        source, label, out, count, every, FrameHealth(thresholds) if thresholds else None, fail_fast
    )
    with reporting() as reporter:
        result = run(options, reporter.stage(f"capturing {label}"))
    if json:
        print_json(
            {"saved": result.saved, "skipped": result.skipped, "folder": result.folder, "reasons": result.reasons}
        )
    else:
        skipped = f"; {result.skipped} passed over: {', '.join(result.reasons)}" if result.skipped else ""
        print(f"{result.folder}: {result.saved} frames saved{skipped}")
    if not result.saved:
        note("edgecnn: no frame was saved")
        raise typer.Exit(2)
