"""``edgecnn tune``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import (
    AdmissionOption,
    FrameRateOption,
    HealthOption,
    JsonOption,
    ProviderOption,
    RegionOption,
)
from edgecnn.cli.output import as_json, note, print_facts, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

if TYPE_CHECKING:
    from edgecnn.runtime.smoothing.false_alarms import Counts
    from edgecnn.runtime.smoothing.smoother import SmoothingOptions
    from edgecnn.runtime.smoothing.tune import TuneResult

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class TuneCommandOptions(
    ProviderOption, AdmissionOption, HealthOption, RegionOption, FrameRateOption, LargeImageOption, JsonOption
):
    """Options of ``edgecnn tune``."""

    model: Annotated[Path, Argument("Model file (.onnx).")]
    clips: Annotated[
        tuple[Path, ...],
        Argument(
            "Class folders of videos, or of folders of frames; CSV tables path,start_s,end_s,label for videos that "
            "show several classes."
        ),
    ]
    budget: Annotated[float, Option("Maximum number of false alarms per hour.")]
    out: Annotated[Path, Option("Settings file to write.", short="-o", metavar="FILE")] = Path("smoothing.json")
    background: Annotated[str | None, Option("Label to which a change is no alarm.", metavar="LABEL")] = None
    every: Annotated[
        int, Option("Use every N-th frame: tune at the frame rate that the device reaches.", metavar="N")
    ] = 1
    max_delay: Annotated[float | None, Option("Maximum of window plus hold time, in seconds.", default="6")] = None
    threshold: Annotated[float | None, Option("Rejection threshold, as for predict.", default="the model file's")] = (
        None
    )


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        TuneCommandOptions,
        tune,
        "edgecnn tune model.int8.onnx clips --budget 2 --background empty --out smoothing.json",
        "edgecnn tune model.int8.onnx frames --fps 10 --budget 12 --max-delay 1.5",
        "edgecnn tune model.int8.onnx clips/shift.csv --budget 0.5 --every 3 --json",
    )


def tune(options: TuneCommandOptions) -> int:
    """Fit the smoothing settings to labelled clips, within a budget of false alarms per hour."""
    import math

    from edgecnn.atomic import check_apart, check_writable
    from edgecnn.data.left_out import usage_line
    from edgecnn.data_quality.wording import count
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.smoothing.smoother import write_smoothing
    from edgecnn.runtime.smoothing.tune import TuneOptions
    from edgecnn.runtime.smoothing.tune import tune as run

    out, budget = options.out, options.budget
    wanted = TuneOptions(
        budget_per_h=budget,
        background=options.background,
        fps=options.fps,
        every=options.every,
        max_delay_s=math.inf if options.max_delay is None else options.max_delay,
        health=options.health_thresholds(),
        region=options.region(),
    )
    check_apart(out, options.model, *options.clips)
    check_writable(out)
    options.admit_models(options.model)
    classifier = Classifier(options.model, ep=options.ep, threshold=options.threshold, max_pixels=options.max_pixels)
    with classifier, reporting() as reporter:
        result = run(classifier, options.clips, wanted, reporter)
    write_smoothing(out, result.options)
    if options.json:
        print_json({**as_json(result), "out": out})
    else:
        _print(result, out)
    for line in _cautions(result):
        note(line)
    note(f"{count(result.clips, 'clip', 'clips')}; {usage_line(result.frames, result.left_out, unit='frame')}")
    if not result.passed:
        found = f"{_rate(result.checked.per_hour)} false alarms an hour on the checked half, the budget is {budget:g}"
        note(f"edgecnn: gate failed: {found}; {out} holds the settings all the same")
        return 3
    return 0


def _print(result: TuneResult, out: Path) -> None:
    undecided = f" ({result.undecided} without a decision)" if result.undecided else ""
    rows = [
        ("smoothing", _describe(result.options)),
        ("budget", f"{result.budget_per_h:g} false alarms an hour"),
        ("clips", f"{result.clips}, {result.frames} frames{undecided}; {result.settings_tried} settings tried"),
    ]
    print_facts(str(out), rows)
    columns = [_column(counts) for counts in (result.raw_fitted, result.fitted, result.raw_checked, result.checked)]
    print_table(
        "the checked half was not fitted on",
        ("", "fitted: raw", "smoothed", "checked: raw", "smoothed"),
        list(zip(_ROWS, *columns, strict=True)),
    )


def _describe(options: SmoothingOptions) -> str:
    window = "each frame" if options.method == "none" else f"{options.method} of {options.window_s:g} s"
    return f"{window}, enter {options.enter:g}, leave {options.leave:g}, hold {options.hold_s:g} s"


_ROWS = ("hours", "false alarms", "… an hour", "… 95 %", "time right", "mean delay", "longest", "missed")


def _column(counts: Counts) -> tuple[str, ...]:
    return (
        f"{counts.hours:.3g}",
        str(counts.false_alarms),
        _rate(counts.per_hour),
        " to ".join(map(_rate, counts.interval)),
        f"{counts.right:.1%}",
        "–" if counts.mean_delay_s is None else f"{counts.mean_delay_s:.2f} s",
        "–" if counts.longest_delay_s is None else f"{counts.longest_delay_s:.2f} s",
        f"{counts.missed} of {counts.onsets}",
    )


def _rate(per_hour: float) -> str:
    return f"{per_hour:.0f}" if per_hour >= 100 else f"{per_hour:.2g}"


def _cautions(result: TuneResult) -> list[str]:
    """What the figures do not say by themselves."""
    cautions = []
    if not result.fits:
        cautions.append(
            "no settings keep the budget on the fitted half; these come nearest: train on more, or allow more"
        )
    if not result.proven:
        checked, budget = result.checked, result.budget_per_h
        needed = (
            "no number of hours is enough"
            if budget == 0
            else f"takes {result.hours_to_prove:.3g} h without a false alarm in the checked half"
        )
        at_most = (
            f"{checked.false_alarms} in {checked.hours:.3g} h may be up to {_rate(checked.interval[1])} an hour (95 %)"
        )
        cautions.append(f"the budget is not proven: {at_most}; to prove {budget:g} an hour {needed}")
    return cautions
