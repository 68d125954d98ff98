"""``edgecnn explain``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_json
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(JsonOption):
    """Options of ``edgecnn explain``."""

    checkpoint: Annotated[Path, Argument("Checkpoint of edgecnn train (best.pt).")]
    image: Annotated[Path, Argument("Image file.")]
    out: Annotated[Path, Option("Output folder of the images and their index.html.", short="-o", metavar="DIR")]
    classes: Annotated[int, Option("Number of best classes to show the evidence for.")] = 3
    force: Annotated[bool, Option("Write into an output folder that is not empty.")] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ExplainOptions,
        explain,
        "edgecnn explain runs/train/1/weights/best.pt image.jpg --out explained",
        "edgecnn explain runs/train/1/weights/best.pt image.jpg --classes 5 --out explained --force --json",
    )


def explain(options: ExplainOptions) -> None:
    """Show as images what a network computes from an image: filters, feature maps, and the evidence for a class."""
    require_extra("explaining a network")
    from edgecnn.runtime.session.model_file import is_checkpoint
    from edgecnn.training.explain.explanation import explain as run

    checkpoint = options.checkpoint
    if checkpoint.exists() and not is_checkpoint(checkpoint):
        from edgecnn.errors import CheckpointError

        raise CheckpointError(
            f"{checkpoint}: a model file does not give the outputs of its layers; use the checkpoint that it "
            "was exported from (weights/best.pt)"
        )
    result = run(checkpoint, options.image, options.out, options.classes, force=options.force)
    if options.json:
        print_json(result)
        return
    rows = [(scored.label, f"{scored.score:.3f}") for scored in result.top]
    print(
        f"{result.image}: {result.label} "
        f"({result.score:.2f}){', which predict calls unknown' if result.unknown else ''}"
    )
    print_facts("", rows)
    print(f"written: {result.files[0]} and {len(result.files) - 1} images beside it")
    note(f"next: open {result.files[0]} in a browser")
