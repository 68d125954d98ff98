"""``edgecnn benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Arena, Ep, EpOption, Json, Power, StrictEp, run_options
from edgecnn.cli.output import examples, nodes_by_provider, note, print_facts, print_json

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn benchmark model.int8.onnx --threads 1",
    "edgecnn benchmark model.onnx --source image.jpg --seconds 10 --json",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(benchmark)


def benchmark(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    ep: Ep = "auto",
    threads: Annotated[int | None, typer.Option(help="Of one inference.", show_default="the physical cores")] = None,
    batch: Annotated[int, typer.Option(help="Images an inference.")] = 1,
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 5.0,
    source: Annotated[
        Path | None, typer.Option(help="An image file, decoded each time.", show_default="a 640 x 480 frame in memory")
    ] = None,
    power: Power = "normal",
    arena: Arena = True,
    strict_ep: StrictEp = False,
    ep_option: EpOption = None,
    json: Json = False,
) -> None:
    """Measure the way from a frame to an answer, against the bare network."""
    from edgecnn.runtime.analysis.benchmark import benchmark as run

    options = run_options(threads, power, arena, strict_ep, ep_option)
    if not json:
        note(f"measuring for {seconds:g} s …")
    result = run(model, ep=ep, batch=batch, seconds=seconds, source=source, options=options)
    if json:
        print_json(result)
        return
    on_threads = f"{result.threads} thread{'s' * (result.threads != 1)}"
    rows = [
        (
            "frame to answer",
            f"{result.latency_ms.p50:.2f} ms (p95 {result.latency_ms.p95:.2f}, p99 {result.latency_ms.p99:.2f})",
        ),
        (
            "network alone",
            f"{result.session_run_ms_p50:.2f} ms; all of it takes {result.overhead_ratio:.3f} times as long",
        ),
        ("throughput", f"{result.images_per_s:.1f} images a second, batch {result.batch}, {on_threads}, {result.ep}"),
        ("nodes", nodes_by_provider(result.nodes)),
        ("loading", f"{result.load_ms:.0f} ms"),
        ("memory", "–" if result.rss_mb is None else f"{result.rss_mb:.0f} MB at most"),
        ("processor", result.cpu),
    ]
    print_facts(str(model), rows)
