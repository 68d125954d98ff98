"""``edgecnn quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edgecnn.cli.options import Json, Out, require_extra
from edgecnn.cli.output import examples, note, print_json, print_table, reporting

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn quantize model.onnx --data data --out model.int8.onnx",
    "edgecnn quantize model.onnx --data data --max-drop 0.01 --min-speedup 1.5 --strict",
    "edgecnn quantize model.onnx --data unlabelled --method mse --samples 500",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(quantize)


def quantize(
    model: Annotated[Path, typer.Argument(help="A float model file.")],
    data: Annotated[Path, typer.Option(help="Pictures to calibrate and judge on; without labels agreement decides.")],
    out: Out = None,
    method: Annotated[
        Literal["auto", "minmax", "mse", "entropy", "percentile"], typer.Option(help="Activation ranges; auto: the least KL of several.")
    ] = "auto",
    samples: Annotated[int, typer.Option(help="Pictures to calibrate on.")] = 300,
    target: Annotated[Literal["x86"], typer.Option(help="Processor the file is for.")] = "x86",
    max_drop: Annotated[float, typer.Option(help="Largest loss of top-1, as a fraction.")] = 0.005,
    min_speedup: Annotated[float, typer.Option(help="Least speed against the float file, at one thread.")] = 1.1,
    strict: Annotated[bool, typer.Option("--strict", help="A failed gate ends with status 3 and writes nothing.")] = False,
    json: Json = False,
) -> None:
    """Make the int8 form, and ship it only where it holds."""
    require_extra("quantization")
    from exporters import QuantizeOptions
    from exporters import quantize as run

    options = QuantizeOptions(method=method, samples=samples, target=target, max_drop=max_drop, min_speedup=min_speedup, strict=strict)
    with reporting() as reporter:
        result = run(model, data, out or model.with_suffix(".int8.onnx"), options, reporter)
    for skipped in result.skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    if json:
        print_json(result)
        return
    rows = [
        ("float", _top1(result.float_.top1), f"{result.float_.latency_ms:.2f} ms", f"{model.stat().st_size / 1e6:.2f} MB"),
        ("int8" + ("" if result.decision == "int8" else " (rejected)"), _top1(result.quantized.top1), f"{result.quantized.latency_ms:.2f} ms",
         f"{result.size_bytes / 1e6:.2f} MB" if result.decision == "int8" else "–"),
    ]  # fmt: skip
    print_table(f"{result.file}: {result.decision}", ("model", "top-1", "one thread", "size"), rows)
    print(f"{result.reason}")
    ranges = f"ranges by {result.calibration.method}{', layers corrected' if result.calibration.corrected else ''}"
    print(f"agreement {result.agreement:.2%}, KL {result.kl:.2g}, {result.speedup:.2f}x, {ranges}; {result.note}")
    if result.rejection is not None:
        shares = f"{result.rejection.float_:.1%} by the float file, {result.rejection.matched:.1%} by int8"
        print(f"called unknown: {shares}, by a threshold of {result.rejection.threshold:g}")
    note(f"next: edgecnn verify {model} {result.file} --data {data}")


def _top1(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.4f}"
