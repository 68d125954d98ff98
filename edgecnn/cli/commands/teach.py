"""``edgecnn teach``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import AdmissionOption, JsonOption
from edgecnn.cli.output import as_json, note, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.teaching.options import TeachOptions

if TYPE_CHECKING:
    from edgecnn.teaching.result import TeachResult

__all__ = ["register"]

_SHOWN = 30  # classes in the table


@dataclass(frozen=True, kw_only=True)
class TeachCommandOptions(TeachOptions, AdmissionOption, JsonOption):
    """Options of teaching, with its files."""

    model: Annotated[Path, Argument("Model file (.onnx), float or int8.", metavar="MODEL.onnx")]
    data: Annotated[Path, Option("Folder of images, one folder per class.", metavar="DIR")]
    out: Annotated[
        Path | None,
        Option("Model file to write.", short="-o", metavar="FILE", default="the model's name, .taught.onnx"),
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        TeachCommandOptions,
        teach,
        "edgecnn teach model.onnx --data labelled",
        "edgecnn teach model.int8.onnx --data labelled --out new.onnx --max-drop 0.005",
        "edgecnn teach imagenet.int8.onnx --data data --replace --out pets.onnx",
        "edgecnn teach model.onnx --data labelled --unlabelled frames",
    )


def teach(options: TeachCommandOptions) -> int:
    """Teach a model file new images or classes, on the device and without torch.

    The network stays; its classifier is fitted again. The new file is written only if cross-validation shows that it
    is better.
    """
    from edgecnn.errors import UsageError
    from edgecnn.teaching.teach import teach as run

    if options.unlabelled is None and options.label_next != TeachOptions.label_next:
        raise UsageError("--label-next: names images of a folder without labels; give it as --unlabelled DIR")
    options.admit_models(options.model)
    out = options.out or options.model.with_suffix(".taught.onnx")
    with reporting() as reporter:
        result = run(options.model, options.data, out, options, reporter)
    for skipped in result.skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    for line in result.notes:
        note(line)
    if options.json:
        print_json(as_json(result))
    else:
        _print(result)
    return 0 if result.decision == "taught" else 3


def _print(result: TeachResult) -> None:
    low, high = result.cv_interval
    rows = [
        (found.label, f"{found.images:,}", f"{found.recall:.3f}", found.confused_with or "–")
        for found in result.classes[:_SHOWN]
    ]
    columns = ("class, the weakest first", "images", "recall", "mistaken for")
    print_table(f"{result.images:,} images in cross-validation", columns, rows)
    if len(result.classes) > _SHOWN:
        note(f"{len(result.classes) - _SHOWN} classes that are no weaker are left out; --json lists them")
    print(f"top-1 {result.cv_top1:.4f} ({low:.4f} to {high:.4f})")
    for expected in result.forecast:
        low, high = expected.interval
        print(
            f"expected with {expected.images_per_class} images per class: {expected.top1:.4f} ({low:.4f} to {high:.4f})"
        )
    if result.label_next:
        print_table(
            "label these next",
            ("image", "taken for", "score", "why"),
            [(found.path, found.guess, f"{found.score:.2f}", found.reason) for found in result.label_next],
        )
    if result.file is None:
        print(f"not written: {result.reason}")
        return
    print(f"{result.file}: {result.reason}")
