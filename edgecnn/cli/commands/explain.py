"""``edgecnn explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Json, require_extra
from edgecnn.cli.output import examples, note, print_facts, print_json

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn explain runs/train/1/weights/best.pt image.jpg --out explained",
    "edgecnn explain runs/train/1/weights/best.pt image.jpg --classes 5 --out explained --force --json",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(explain)


def explain(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of edgecnn train.")],
    image: Annotated[Path, typer.Argument(help="An image.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the images and their index.html.")],
    classes: Annotated[int, typer.Option(help="Best classes to show the evidence for.")] = 3,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds something.")] = False,
    json: Json = False,
) -> None:
    """Show, in images, what a network does with an image: filters, feature maps, and where the evidence lies."""
    require_extra("explaining a network")
    from edgecnn.runtime.session.model_file import is_checkpoint
    from edgecnn.training.explain.explanation import explain as run

    if checkpoint.exists() and not is_checkpoint(checkpoint):
        from edgecnn.errors import CheckpointError

        raise CheckpointError(
            f"{checkpoint}: a model file shows nothing of its layers' outputs; give the checkpoint that it was "
            "exported from (weights/best.pt)"
        )
    result = run(checkpoint, image, out, classes, force=force)
    if json:
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
