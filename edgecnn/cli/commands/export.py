"""``edgecnn export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgecnn.cli.options import Json, Out, require_extra
from edgecnn.cli.output import examples, note, print_facts, print_json, reporting

if TYPE_CHECKING:
    from exporters import ExportResult

__all__ = ["print_export", "register"]

_EXAMPLES = examples(
    "edgecnn export runs/train/1/weights/best.pt --out model.onnx",
    "edgecnn export efficientnet_lite0 --weights imagenet --out imagenet.onnx",
    "edgecnn export best.pt --precision fp16 --golden data --data data",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(export)


def export(
    model: Annotated[str, typer.Argument(help="A checkpoint, or a built-in network's name with --weights imagenet.")],
    out: Out = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, with a built-in network's name.")] = None,
    precision: Annotated[Literal["fp32", "fp16"], typer.Option(help="fp16 is for GPUs.")] = "fp32",
    layout: Annotated[
        Literal["nhwc-uint8", "nchw-float32"],
        typer.Option(help="nchw-float32: the classic float graph, for other tools."),
    ] = "nhwc-uint8",
    opset: Annotated[int, typer.Option(help="ONNX operator set.")] = 18,
    golden: Annotated[
        Literal["synthetic", "data", "none"], typer.Option(help="Images the file proves itself with; data: real ones.")
    ] = "synthetic",
    data: Annotated[
        Path | None, typer.Option(help="Images to compare with torch on.", show_default="the run's own held-out ones")
    ] = None,
    json: Json = False,
) -> None:
    """Export to a self-describing ONNX file, held against torch."""
    require_extra("export")
    from exporters import ExportOptions, export_onnx

    target = out or (Path(model).with_suffix(".onnx") if model.endswith(".pt") else Path(f"{model}.onnx"))
    options = ExportOptions(weights=weights, precision=precision, layout=layout, opset=opset, golden=golden, data=data)
    with reporting() as reporter:
        result = export_onnx(model, target, options, reporter)
    if json:
        print_json(result)
        return
    print_export(result, "against torch", quantizable=precision == "fp32")


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
                f"{result.parity.images} images: off by {result.parity.max_abs_diff:.1e} at most, "
                f"{result.parity.top1_agreement:.2%} equal answers"
            ),
        ),
        ("images", result.parity.image_source),
        ("SHA-256", result.sha256),
    ]
    print_facts(result.file, rows)
    then = (
        f"quantize {result.file} --data DATA --out {Path(result.file).with_suffix('.int8.onnx')}"
        if quantizable
        else f"doctor {result.file}"
    )
    note(f"next: edgecnn {then}")
