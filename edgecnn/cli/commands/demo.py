"""``edgecnn demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Json, require_extra
from edgecnn.cli.output import examples, note, print_json, print_table, reporting

__all__ = ["register"]

_EXAMPLES = examples("edgecnn demo", "edgecnn demo --data my-images --out runs/mine --time-budget 20")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(demo)


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Your own images, one folder a class.", show_default="2,624 solar cells")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for everything.", show_default="runs/demo/N")
    ] = None,
    time_budget: Annotated[float, typer.Option(help="Minutes for everything.")] = 10.0,
    json: Json = False,
) -> None:
    """Train, export, quantize, verify, benchmark and predict, on real images."""
    require_extra("the demo")
    from edgecnn.demo.line import run_demo
    from edgecnn.training.run.run_folder import next_free

    with reporting() as reporter:
        result = run_demo(data, out or next_free(Path("runs") / "demo"), time_budget, reporter)
    if json:
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
    if data is None:
        from edgecnn.demo.solar_cells import LICENCE

        print(LICENCE)
    model = result.quantize.file
    print(
        f"\nwritten: {result.train.run_dir}/report.html, {result.export.file}, {model}, "
        f"{result.out}/predictions.jsonl, {result.out}/predictions/"
    )
    note("next:")
    for command in (
        f"edgecnn predict {model} {result.data} --max-frames 10",
        f"edgecnn inspect {model}",
        f"edgecnn doctor {model}",
        "edgecnn train YOUR-IMAGES",
    ):
        note(f"  {command}")
