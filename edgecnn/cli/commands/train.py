"""``edgecnn train``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_findings, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Option
from edgecnn.training.options import TrainOptions

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        TrainCommandOptions,
        train,
        "edgecnn train data",
        "edgecnn train data --epochs 8 --test-split 0.1 --out runs/cells",
        "edgecnn train data --model resnet8 --weights none --imgsz 64",
        "edgecnn train cats-dogs --preset classic",
        "edgecnn train data --resume --out runs/cells",
        "edgecnn train --list-models",
    )


def _list_models(wanted: bool) -> None:  # noqa: FBT001  # a callback of Typer's
    if not wanted:
        return
    require_extra("training")
    from edgecnn.training.models.table import model_table

    table = model_table()
    if "--json" in sys.argv:  # read before the other options are
        print_json({"models": table})
        raise typer.Exit
    rows = [
        (
            f"{row.name}\n(x - {row.normalization.zero_point}) / {row.normalization.scale:g}",
            f"{row.parameters:,}\n{row.classes} classes",
            f"{row.macs / 1e6:.1f} M\n{row.imgsz} px",
            "none"
            if row.weights_trained_on is None
            else row.weights_trained_on + ("" if row.weights_installed else "\nnot installed"),
            f"{row.published_top1:.1%}\n{row.published_on}" if row.published_top1 else "none",
        )
        for row in table
    ]
    columns = ("name", "parameters", "MACs", "weights", "published")
    print_table("built-in networks", columns, rows)
    raise typer.Exit


@dataclass(frozen=True)
class TrainCommandOptions(TrainOptions, JsonOption):
    """Options of a training run, and of its output."""

    list_models: Annotated[
        bool, Option("Print the built-in networks with their size and cost, and exit.", on_read=_list_models)
    ] = False


def train(options: TrainCommandOptions) -> None:
    """Train a classifier on a folder of images, or of clips."""
    require_extra("training")
    from edgecnn.data.left_out import usage_line
    from edgecnn.evaluation.metrics import wilson_interval
    from edgecnn.manifest import UNKNOWN_OFF
    from edgecnn.training import train as run
    from edgecnn.training.optim.distributed import leads

    with reporting() as reporter:
        result = run(options, reporter)
    if not leads():
        return
    if options.json:
        print_json(result)
        return
    low, high = wilson_interval(round(result.val_top1 * result.val_answers), result.val_answers)
    rows = [
        (
            "validation top-1",
            f"{result.val_top1:.4f} of {result.val_answers} {result.answers} (95 %: {low:.4f} to {high:.4f})",
        ),
        ("macro-F1, ECE", f"{result.val_macro_f1:.4f}, {result.val_ece:.4f}"),
        ("test top-1", "no test split" if result.test_top1 is None else f"{result.test_top1:.4f}"),
        ("unknown", UNKNOWN_OFF if result.unknown.off else f"{result.unknown.score} {result.unknown.threshold:.4f}"),
        (
            "trained on",
            (
                f"{result.train_images} {result.examples}, {result.epochs} epoch{'s' * (result.epochs != 1)}, "
                f"{result.seconds:.0f} s"
            ),
        ),
        ("checkpoint", result.best_checkpoint),
        ("report", f"{result.run_dir}/report.html"),
    ]
    told = [finding for finding in result.findings if finding.level in ("fault", "warning")]
    if told:
        print_findings(told)
    print_facts(f"{result.model}, {result.parameters:,} parameters: {', '.join(result.labels[:6])}", rows)
    used = result.train_images + result.val_images + result.test_images
    note(usage_line(used, result.left_out, len(result.skipped), result.examples.removesuffix("s")))
    note(f"next: edgecnn export {result.best_checkpoint} --out model.onnx")
