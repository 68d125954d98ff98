"""``edgecnn demo``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Option

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class DemoOptions(JsonOption):
    """Options of ``edgecnn demo``."""

    data: Annotated[
        Path | None,
        Option(
            "Folder of your own images, one folder per class.", metavar="DIR", default="2,624 photos of solar cells"
        ),
    ] = None
    out: Annotated[
        Path | None, Option("Output folder of all stages.", short="-o", metavar="DIR", default="runs/demo/N")
    ] = None
    time_budget: Annotated[float, Option("Time limit of all stages in minutes.")] = 9.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        DemoOptions,
        demo,
        "edgecnn demo",
        "edgecnn demo --data my-images --out runs/mine --time-budget 20",
    )


def demo(options: DemoOptions) -> None:
    """Train, export, quantize, verify, benchmark and predict on real images, in one run."""
    require_extra("the demo")
    from edgecnn.demo.line import run_demo
    from edgecnn.demo.outputs import RUNS
    from edgecnn.training.run.run_folder import next_free

    with reporting() as reporter:
        result = run_demo(options.data, options.out or next_free(RUNS), options.time_budget, reporter)
    if options.json:
        print_json(result)
        return
    rows = [
        (
            row.stage,
            f"{row.seconds:.0f} s",
            "" if row.top1 is None else f"{row.top1:.2%}",
            "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f} MB",
            "" if row.latency_ms is None else f"{row.latency_ms:.2f} ms",
        )
        for row in result.stages
    ]
    rows.append(("everything", f"{result.seconds:.0f} s", "", "", ""))
    print_table(
        f"{result.data}: {result.verify.images} held-out images, latency at one thread",
        ("stage", "time", "top-1", "size", "latency"),
        rows,
    )
    print(result.quantize.reason)
    if options.data is None:
        from edgecnn.demo.solar_cells import LICENCE

        print(LICENCE)
    model = result.quantize.file
    print(
        f"\nwritten: {result.train.run_dir}/report.html, {result.export.file}, {model}, "
        f"{result.out}/predictions.jsonl, {result.out}/predictions/"
    )
    program = _program()
    note("next:")
    for command in (
        f"predict {model} {result.data} --max-frames 10",
        f"inspect {model}",
        f"doctor {model}",
        "train YOUR-IMAGES",
    ):
        note(f"  {program} {command}")
    note("the live page, with the held-out images as a camera:")
    note(f"  {program} serve {model} loop:{result.held_out}")
    note("  then open the address that it prints in a browser")


def _program() -> str:
    """How this program is called from the current folder."""
    if which("edgecnn"):
        return "edgecnn"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "edgecnn" else f"{sys.executable} -m edgecnn"
