"""``edgecnn search``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from exporters.search.options import SearchOptions

if TYPE_CHECKING:
    from exporters.search.result import Candidate, SearchResult

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class SearchCommandOptions(SearchOptions, JsonOption):
    """Options of a search, and of its output."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        SearchCommandOptions,
        search,
        "edgecnn search data",
        "edgecnn search data --max-latency-ms 5 --time-budget 120 --out runs/small",
        "edgecnn search data --min-top1 0.97 --models efficientnet_lite0,mobilenetv2",
        "edgecnn search data --timings raspberry.json --max-latency-ms 30 --target arm64",
    )


def search(options: SearchCommandOptions) -> int:
    """Find the network, image size, pruning and precision that meet a device's budget.

    Times every network first, then trains those that may win. The same command goes on where it was interrupted.
    """
    require_extra("searching a network")
    from exporters.search.search import search as run

    with reporting() as reporter:
        result = run(options, reporter)
    if options.json:
        print_json(result)
    else:
        _print(result)
    return 0 if result.chosen is not None else 3


def _network(each: Candidate) -> str:
    pruned = f", {each.pruned:.0%} pruned" if each.pruned else ""
    return f"{each.model} {each.imgsz}{pruned}{', trained twice' if each.trainings > 1 else ''}"


def _print(result: SearchResult) -> None:
    from exporters.search.result import with_interval, with_points

    rows = [
        (
            _network(each),
            each.precision,
            with_interval(each.top1, each.interval, 3),
            with_interval(each.test_top1, each.test_interval, 3),
            f"{each.latency_ms:.2f}",
            f"{each.size_bytes / 1e6:.1f}",
            _marks(each, result),
        )
        for each in result.candidates
    ]
    columns = ("network, pixels", "precision", "validation top-1", "test top-1", "ms", "MB", "")
    threads = f"{result.threads} thread{'s' * (result.threads != 1)}"
    print_table(f"{len(rows)} files, the fastest first; {result.cpu}, {threads}", columns, rows)
    print(result.reason)
    if result.untried:
        count = len(result.untried)
        note(
            f"{count} network{'s' * (count != 1)} not trained, for lack of time or promise; {result.report} names them"
        )
    if result.chosen is None:
        return
    if result.against is not None:
        found = result.against
        print(
            f"{found.speedup:.2f}x the speed of {found.reference}, {with_points(found.top1_drop, found.interval)} on "
            f"the {result.val_images} validation images"
        )
        if found.test_top1_drop is not None and found.test_interval is not None:
            print(f"{with_points(found.test_top1_drop, found.test_interval)} on the {result.test_images} test images")
    print(f"chosen: {result.chosen.file}\ncheckpoint: {result.chosen.checkpoint}\nreport: {result.report}")
    note("to repeat it:")
    for command in result.repeat:
        note(f"  {command}")


def _marks(each: Candidate, result: SearchResult) -> str:
    return "chosen" if each == result.chosen else "front" if each.on_front else ""
