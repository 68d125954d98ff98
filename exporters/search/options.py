"""The options of a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from edgecnn.command_options import Argument, Option
from edgecnn.errors import UsageError
from edgecnn.image_size import LargeImageOption

__all__ = ["SearchOptions"]


@dataclass(frozen=True, kw_only=True)
class SearchOptions(LargeImageOption):
    """Options of ``edgecnn search``. Without a limit, the fastest file that loses at most half a point is chosen."""

    data: Annotated[Path, Argument("Folder of images: one folder per class, or that under train, val and test.")]
    max_latency_ms: Annotated[
        float | None, Option("Longest time of one image in milliseconds; the most accurate file within it is chosen.")
    ] = None
    min_top1: Annotated[
        float | None, Option("Least top-1 accuracy, as a fraction; the fastest file that reaches it is chosen.")
    ] = None
    max_size_mb: Annotated[float | None, Option("Largest model file in megabytes (10^6 bytes).")] = None
    threads: Annotated[
        int, Option("CPU threads that the device runs the model with; with --timings, those it was timed with count.")
    ] = 1
    time_budget_min: Annotated[
        float,
        Option("Time limit in minutes, of all runs of this search together.", flag="--time-budget", metavar="MIN"),
    ] = 60.0
    out: Annotated[
        Path, Option("Output folder; the same command goes on with what is in it.", short="-o", metavar="DIR")
    ] = Path("runs/search")
    models: Annotated[
        str | None,
        Option("Networks to try, with commas between.", metavar="NAMES", default="those with installed weights"),
    ] = None
    timings: Annotated[
        Path | None,
        Option(
            "Timings of the device, from `edgecnn benchmark DIR --zoo --json` there; DIR is the folder zoo in --out.",
            metavar="FILE",
            default="this machine is timed",
        ),
    ] = None
    target: Annotated[Literal["x86", "arm64"], Option("Processor of the quantized files.")] = "x86"
    augment: Annotated[str | None, Option("Data augmentation, as in training.", default="the recipe's")] = None
    group: Annotated[str, Option("Images that stay together in the split, as in training.", metavar="RULE")] = "auto"
    seed: Annotated[int, Option("Random seed of split, order and augmentation.")] = 0

    def __post_init__(self) -> None:
        """Raises :class:`UsageError` for values out of range."""
        for flag, value in (
            ("--max-latency-ms", self.max_latency_ms),
            ("--max-size-mb", self.max_size_mb),
            ("--time-budget", self.time_budget_min),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{flag} {value:g}: expected a number above 0")
        if self.min_top1 is not None and not 0 < self.min_top1 <= 1:
            raise UsageError(f"--min-top1 {self.min_top1:g}: expected a fraction above 0, at most 1")
        if self.threads < 1:
            raise UsageError(f"--threads {self.threads}: expected at least 1")
