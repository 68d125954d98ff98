"""``edgecnn doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Ep, Json
from edgecnn.cli.output import examples, note, print_findings, print_json, reporting

__all__ = ["register"]

_EXAMPLES = examples("edgecnn doctor", "edgecnn doctor model.int8.onnx", "edgecnn doctor data --json")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(doctor)


def doctor(
    target: Annotated[Path | None, typer.Argument(help="A model file, whose golden samples are replayed here, or a folder of pictures.")] = None,
    ep: Ep = "auto",
    json: Json = False,
) -> None:
    """Examine this machine; a model's golden samples on it; a folder of pictures."""
    from edgecnn.runtime.doctor import examine

    with reporting() as reporter:
        result = examine(target, ep, reporter)
    if json:
        print_json(result)
    else:
        print_findings(result.findings)
    faults = sum(finding.level == "fault" for finding in result.findings)
    if not result.ok:
        note(f"edgecnn: {faults} {'fault' if faults == 1 else 'faults'} found")
        raise typer.Exit(3)
