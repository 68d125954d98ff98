"""``edgecnn explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import FrameRateOption, JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_json
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

if TYPE_CHECKING:
    from edgecnn.training.explain.written import Scored

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(FrameRateOption, LargeImageOption, JsonOption):
    """Options of ``edgecnn explain``."""

    checkpoint: Annotated[Path, Argument("Checkpoint of edgecnn train (best.pt).")]
    image: Annotated[Path, Argument("Image file; for a checkpoint of clips, a video or a folder of frames.")]
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
        "edgecnn explain runs/clips/weights/best.pt clip.mp4 --out explained",
    )


def explain(options: ExplainOptions) -> None:
    """Show as images what a network computes from an image: filters, feature maps, and the evidence for a class.

    For a clip: the hidden state, the gates and the probabilities over time.
    """
    require_extra("explaining a network")
    from edgecnn.errors import CheckpointError, UsageError
    from edgecnn.runtime.session.model_file import is_checkpoint
    from edgecnn.training.explain.explanation import explain as run
    from edgecnn.training.run.checkpoint import load_checkpoint

    checkpoint = options.checkpoint
    if checkpoint.exists() and not is_checkpoint(checkpoint):
        raise CheckpointError(
            f"{checkpoint}: a model file does not give the outputs of its layers; use the checkpoint that it "
            "was exported from (weights/best.pt)"
        )
    if load_checkpoint(checkpoint).manifest.temporal is not None:
        _explain_clip(options)
        return
    if options.fps is not None:
        raise UsageError(f"--fps: {checkpoint} classifies images; leave it out")
    result = run(
        checkpoint,
        options.image,
        options.out,
        options.classes,
        force=options.force,
        say=note,
        max_pixels=options.max_pixels,
    )
    if options.json:
        print_json(result)
        return
    unknown = ", which predict calls unknown" if result.unknown else ""
    _print(f"{result.image}: {result.label} ({result.score:.2f}){unknown}", result.top, result.files)


def _explain_clip(options: ExplainOptions) -> None:
    from edgecnn.training.temporal.explain.explanation import explain_clip

    result = explain_clip(
        options.checkpoint,
        options.image,
        options.out,
        options.classes,
        options.fps,
        force=options.force,
        say=note,
        max_pixels=options.max_pixels,
    )
    if options.json:
        print_json(result)
        return
    head = f"{result.clip}: {result.label} ({result.score:.2f}) after {result.steps} steps, {result.seconds:.1f} s"
    _print(head, result.top, result.files)


def _print(head: str, top: Sequence[Scored], files: Sequence[str]) -> None:
    print(head)
    print_facts("", [(scored.label, f"{scored.score:.3f}") for scored in top])
    print(f"written: {files[0]} and {len(files) - 1} images beside it")
    note(f"next: open {files[0]} in a browser")
