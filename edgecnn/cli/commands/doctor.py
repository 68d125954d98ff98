"""``edgecnn doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import Ep, Json
from edgecnn.cli.output import examples, note, print_findings, print_json, reporting

if TYPE_CHECKING:
    from edgecnn.runtime.doctor.run import Diagnosis

__all__ = ["register"]

_EXAMPLES = examples("edgecnn doctor", "edgecnn doctor model.int8.onnx", "edgecnn doctor data --json")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(doctor)


def doctor(
    target: Annotated[
        Path | None, typer.Argument(help="A model file, whose golden samples are replayed here, or a folder of images.")
    ] = None,
    ep: Ep = "auto",
    json: Json = False,
) -> None:
    """Examine this machine; a model's golden samples on it; a folder of images."""
    from edgecnn.runtime.doctor.run import examine

    with reporting() as reporter:
        result = examine(target, ep, reporter)
    if json:
        print_json(result)
    else:
        _print(result)
    faults = sum(finding.level == "fault" for finding in result.findings)
    if not result.ok:
        note(f"edgecnn: {faults} {'fault' if faults == 1 else 'faults'} found")
        raise typer.Exit(3)


def _print(result: Diagnosis) -> None:
    """The command last, on a line of its own and not wrapped, so that it can be copied."""
    if result.recommended is None:
        print_findings(result.findings)
        return
    *found, last = result.findings
    print_findings(found)
    print(f"\nNext: {last.what}\n  {result.recommended}")
