"""``edgecnn export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from exporters.options import ExportOptions

if TYPE_CHECKING:
    from exporters import ExportResult

__all__ = ["print_export", "register"]


@dataclass(frozen=True, kw_only=True)
class ExportCommandOptions(ExportOptions, JsonOption):
    """Options of an export, with its files."""

    model: Annotated[str, Argument("Checkpoint, or the name of a built-in network with --weights imagenet.")]
    out: Annotated[
        Path | None, Option("Model file to write.", short="-o", metavar="FILE", default="the checkpoint's name, .onnx")
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ExportCommandOptions,
        export,
        "edgecnn export runs/train/1/weights/best.pt --out model.onnx",
        "edgecnn export efficientnet_lite0 --weights imagenet --out imagenet.onnx",
        "edgecnn export best.pt --precision fp16 --golden data --data data",
    )


def export(options: ExportCommandOptions) -> None:
    """Export a checkpoint to a self-describing ONNX file, and compare its answers with torch's."""
    require_extra("export")
    from exporters import export_onnx

    model = options.model
    target = options.out or (Path(model).with_suffix(".onnx") if model.endswith(".pt") else Path(f"{model}.onnx"))
    with reporting() as reporter:
        result = export_onnx(model, target, options, reporter)
    if options.json:
        print_json(result)
        return
    print_export(result, "against torch", quantizable=options.precision == "fp32")


def print_export(result: ExportResult, against: str, *, quantizable: bool = True) -> None:
    """What was written, for people, and what comes next."""
    rows = [
        ("size", f"{result.size_bytes / 1e6:.2f} MB, opset {result.opset}, IR {result.ir_version}"),
        *(
            (f"{kind} {t.name}", f"{t.type} {list(t.shape)}")
            for kind, found in (("input", result.inputs), ("output", result.outputs))
            for t in found
        ),
        (
            against,
            (
                f"{result.parity.images} {result.parity.unit}: off by {result.parity.max_abs_diff:.1e} at most, "
                f"{result.parity.top1_agreement:.2%} equal answers"
            ),
        ),
        (result.parity.unit, result.parity.image_source),
        *((name, text) for name, _, text in (found.partition(": ") for found in result.notes)),
        ("SHA-256", result.sha256),
    ]
    print_facts(result.file, rows)
    then = (
        f"quantize {result.file} --data DATA --out {Path(result.file).with_suffix('.int8.onnx')}"
        if quantizable
        else f"doctor {result.file}"
    )
    note(f"next: edgecnn {then}")
