"""``edgecnn verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Ep, Json, open_model
from edgecnn.cli.output import examples, note, print_json, print_table, reporting

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn verify best.pt model.onnx model.int8.onnx --data data",
    "edgecnn verify model.onnx model.int8.onnx --data data --min-agreement 0.99 --json",
    "edgecnn verify best.pt model.int8.onnx --data data --report verify.html",
)
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(verify)


def verify(
    reference: Annotated[Path, typer.Argument(help="A checkpoint or a model file: what the others must equal.")],
    candidates: Annotated[list[Path], typer.Argument(help="Other forms of the same model.")],
    data: Annotated[Path, typer.Option(help="Images; without labels agreement alone decides.")],
    max_drop: Annotated[float, typer.Option(help="Largest loss of top-1, as a fraction.")] = 0.005,
    min_agreement: Annotated[float, typer.Option(help="Least share of equal answers.")] = 0.98,
    ep: Ep = "auto",
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page with the images whose answer changed.")
    ] = None,
    json: Json = False,
) -> None:
    """Hold forms of one model against each other, from image file to label."""
    from edgecnn.evaluation.parity import compare_models
    from edgecnn.runtime.analysis.divergence import locate_divergence

    opened = [open_model(path, ep) for path in (reference, *candidates)]
    with reporting() as reporter:
        result = locate_divergence(
            compare_models(opened[0], opened[1:], data, max_drop, min_agreement, reporter.stage("verifying")), opened
        )
    note(f"evaluated {result.note}")
    if report is not None:
        from edgecnn.atomic import write_text
        from edgecnn.evaluation.parity_report import parity_page

        write_text(report, parity_page(result))
    if json:
        print_json(result)
    else:
        rows = [
            (
                f"{s.file}\n{s.kind} on {s.ep}",
                "–" if s.top1 is None else f"{s.top1:.4f}",
                f"{s.agreement:.2%}",
                f"{s.max_abs_diff:.1e}",
                f"{s.kl:.1e}",
                "equal" if s.sqnr_db is None else f"{s.sqnr_db:.1f} dB",
            )
            for s in result.stages
        ]
        print_table(f"{result.images} images", ("file", "top-1", "agreement", "max diff", "KL", "SQNR"), rows)
        for stage in result.stages:
            for flip in stage.flips[:_SHOWN]:
                print(f"{flip.image}: {flip.from_} became {flip.to} in {stage.file}")
            if len(stage.flips) > _SHOWN:
                print(f"… {len(stage.flips) - _SHOWN} more in {stage.file}; --json lists them all")
        print(
            "verified: all forms hold"
            if result.first_divergence is None
            else f"diverges at {result.first_divergence.file}: {result.first_divergence.reason}"
        )
        if result.first_divergence is not None and result.first_divergence.where is not None:
            print(f"they part {result.first_divergence.where}")
    if not result.passed:
        assert result.first_divergence is not None
        note(f"edgecnn: gate failed: {result.first_divergence.file}: {result.first_divergence.reason}")
        raise typer.Exit(3)
