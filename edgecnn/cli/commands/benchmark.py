"""``edgecnn benchmark``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, SessionOptions
from edgecnn.cli.output import nodes_by_provider, note, print_facts, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(SessionOptions, LargeImageOption, JsonOption):
    """Options of ``edgecnn benchmark``."""

    model: Annotated[
        Path,
        Argument(
            "Model file (.onnx), or one on a hub (hf://OWNER/NAME); with --zoo, a folder of `edgecnn search`.",
        ),
    ]
    batch: Annotated[int, Option("Batch size.")] = 1
    seconds: Annotated[float, Option("Duration of the measurement in seconds.")] = 5.0
    source: Annotated[
        Path | None,
        Option("Image file, decoded anew for each answer.", metavar="FILE", default="a 640 x 480 frame in memory"),
    ] = None
    zoo: Annotated[
        bool, Option("Time every network of a folder at many image sizes: what `edgecnn search --timings` reads.")
    ] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        BenchmarkOptions,
        benchmark,
        "edgecnn benchmark model.int8.onnx --threads 1",
        "edgecnn benchmark model.onnx --source image.jpg --seconds 10 --json",
        "edgecnn benchmark runs/search/zoo --zoo --threads 1 --json",
    )


def benchmark(options: BenchmarkOptions) -> None:
    """Measure the latency from frame to answer, and that of the network alone."""
    if options.zoo:
        _benchmark_zoo(options)
        return
    from edgecnn.runtime.analysis.benchmark import benchmark as run

    if not options.json:
        note(f"measuring for {options.seconds:g} s …")
    result = run(
        options.model,
        ep=options.ep,
        batch=options.batch,
        seconds=options.seconds,
        source=options.source,
        max_pixels=options.max_pixels,
        options=options.run_options(),
    )
    if options.json:
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
    print_facts(str(options.model), rows)


def _benchmark_zoo(options: BenchmarkOptions) -> None:
    from edgecnn.errors import UsageError
    from edgecnn.runtime.analysis.zoo import benchmark_zoo

    if options.source is not None or (options.batch, options.seconds) != (1, BenchmarkOptions.seconds):
        raise UsageError(
            "--zoo times single images in memory, each as often as is needed; leave out --source, --batch and --seconds"
        )
    with reporting() as reporter:
        progress = reporter.stage("timing networks")
        result = benchmark_zoo(options.model, options.ep, options.run_options(), progress)
    if options.json:
        print_json(result)
        return
    rows = [
        (
            f"{each.model}{f', {each.pruned:.0%} pruned' if each.pruned else ''}",
            str(each.imgsz),
            each.precision,
            f"{each.latency_ms:.2f}",
        )
        for each in result.timings
    ]
    print_table(f"{result.cpu}, {result.ep}, threads: {result.threads}", ("network", "pixels", "precision", "ms"), rows)
