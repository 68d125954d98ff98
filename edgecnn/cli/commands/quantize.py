"""``edgecnn quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from edgecnn.cli.options import Json, Out, require_extra
from edgecnn.cli.output import as_json, examples, note, print_json, print_table, reporting
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from exporters import QuantizeResult
    from exporters.quantization.acceptance import Attempt
    from exporters.quantization.targets import TargetName

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn quantize model.onnx --data data --out model.int8.onnx",
    "edgecnn quantize model.onnx --data data --max-drop 0.01 --min-speedup 1.5 --strict",
    "edgecnn quantize model.onnx --data unlabelled --method mse --samples 500",
    "edgecnn quantize model.onnx --data data --target x86,arm64,tensorrt",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(quantize)


def quantize(
    model: Annotated[Path, typer.Argument(help="A float model file.")],
    data: Annotated[Path, typer.Option(help="Images to calibrate and evaluate on; without labels agreement decides.")],
    out: Out = None,
    method: Annotated[
        Literal["auto", "minmax", "mse", "entropy", "percentile"],
        typer.Option(help="Activation ranges; auto: the least KL of several."),
    ] = "auto",
    samples: Annotated[int, typer.Option(help="Images to calibrate on.")] = 300,
    target: Annotated[
        str,
        typer.Option(
            help="What the file is for: x86, arm64, tensorrt or openvino; several, with commas, from one calibration."
        ),
    ] = "x86",
    max_drop: Annotated[float, typer.Option(help="Largest loss of top-1, as a fraction.")] = 0.005,
    min_speedup: Annotated[float, typer.Option(help="Least speed against the float file, at one thread.")] = 1.1,
    strict: Annotated[
        bool, typer.Option("--strict", help="A failed gate ends with status 3 and writes nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the int8 form, and ship it only where it holds.

    Else with the blocks it harms in float, else the float model.
    """
    require_extra("quantization")
    from exporters import QuantizeOptions, quantize_for

    targets = _targets(target)
    out = out or model.with_suffix(".int8.onnx")
    paths = {name: out if i == 0 else out.with_suffix(f".{name}{out.suffix}") for i, name in enumerate(targets)}
    options = QuantizeOptions(method=method, samples=samples, max_drop=max_drop, min_speedup=min_speedup, strict=strict)
    with reporting() as reporter:
        results = quantize_for(model, data, paths, options, reporter)
    for skipped in results[0].skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    if json:
        print_json({**as_json(results[0]), "others": [as_json(result) for result in results[1:]]})
        return
    for result in results:
        _print(result, model)
    note(f"next: edgecnn verify {model} {' '.join(r.file for r in results)} --data {data}")


def _targets(text: str) -> tuple[TargetName, ...]:
    from exporters.quantization.targets import TARGETS

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in TARGETS:
            raise UsageError(f"--target {text}: no target {name!r}; there are {', '.join(TARGETS)}")
    return cast("tuple[TargetName, ...]", names)


def _print(result: QuantizeResult, model: Path) -> None:
    """Every file that was evaluated, then the decision."""
    labelled = result.top1_drop is not None
    rows = [
        (
            "float",
            _share(result.float_.top1),
            "",
            _ms(result.float_.latency_ms),
            "",
            f"{model.stat().st_size / 1e6:.1f}",
            "",
        )
    ]
    for i, attempt in enumerate(result.attempts, 1):
        ships = i == len(result.attempts) and result.decision != "fp32"
        blocks = len(attempt.float_blocks)
        lost = attempt.top1_drop if attempt.top1_drop is not None else 1 - attempt.agreement
        rows.append((
            f"+{blocks} float" if blocks else "int8",
            _share(attempt.quantized.top1 if labelled else attempt.agreement),
            f"{lost:.4f} ± {attempt.interval:.4f}",
            _ms(attempt.quantized.latency_ms),
            "–" if attempt.speedup is None else f"{attempt.speedup:.2f}x",
            f"{result.size_bytes / 1e6:.1f}" if ships else "–",
            "ships" if ships else _refusal(attempt),
        ))  # fmt: skip
    columns = (
        ("", "top-1", "lost", "ms", "speed", "MB", "")
        if labelled
        else ("", "agreement", "changed", "ms", "speed", "MB", "")
    )
    print_table(f"{result.file}: {result.decision} for {result.target}", columns, rows)
    print(result.reason)
    if result.decision == "mixed":
        print(f"in float: {', '.join(result.attempts[-1].float_blocks)}")
    ranges = f"ranges by {result.calibration.method}{', layers corrected' if result.calibration.corrected else ''}"
    print(f"agreement {result.agreement:.2%}, KL {result.kl:.2g}, {ranges}; {result.note}")
    if result.rejection is not None:
        shares = f"{result.rejection.float_:.1%} by the float file, {result.rejection.matched:.1%} by int8"
        print(f"called unknown: {shares}, by a threshold of {result.rejection.threshold:g}")


def _refusal(attempt: Attempt) -> str:
    return ", ".join(
        text for text, holds in (("loses too much", attempt.accurate), ("too slow", attempt.fast)) if not holds
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
