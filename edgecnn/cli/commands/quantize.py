"""``edgecnn quantize``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from edgecnn.cli.options import AdmissionOption, FrameRateOption, JsonOption, require_extra
from edgecnn.cli.output import as_json, note, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.errors import UsageError
from exporters.options import QuantizeOptions, TargetName

if TYPE_CHECKING:
    from exporters import QuantizeResult
    from exporters.quantization.acceptance import Attempt

__all__ = ["register"]


def _read_targets(text: str) -> tuple[TargetName, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in get_args(TargetName):
            raise UsageError(f"--target {text}: no target {name!r}; there are {', '.join(get_args(TargetName))}")
    return cast("tuple[TargetName, ...]", names)


@dataclass(frozen=True, kw_only=True)
class QuantizeCommandOptions(QuantizeOptions, AdmissionOption, FrameRateOption, JsonOption):
    """Options of a quantization, with its files."""

    model: Annotated[Path, Argument("Float model file (.onnx).")]
    data: Annotated[
        Path,
        Option(
            "Folder of images to calibrate and evaluate on; without labels, agreement decides. Of a recurrent model: "
            "clips.",
            metavar="DIR",
        ),
    ]
    out: Annotated[
        Path | None, Option("Model file to write.", short="-o", metavar="FILE", default="the model's name, .int8.onnx")
    ] = None
    targets: Annotated[
        tuple[TargetName, ...],
        Option(
            "Processor or runtime of the file: x86, x86-avx2, arm64, tensorrt or openvino; several with commas, from "
            "one calibration.",
            flag="--target",
            metavar="NAME",
            default="x86",
            parse=_read_targets,
        ),
    ] = ("x86",)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        QuantizeCommandOptions,
        quantize,
        "edgecnn quantize model.onnx --data data --out model.int8.onnx",
        "edgecnn quantize model.onnx --data data --max-drop 0.01 --min-speedup 1.5 --strict",
        "edgecnn quantize model.onnx --data unlabelled --method mse --samples 500",
        "edgecnn quantize model.onnx --data data --target x86,arm64,tensorrt",
    )


def quantize(options: QuantizeCommandOptions) -> None:
    """Quantize a float model file to int8, and keep that form only if its accuracy and speed hold.

    Otherwise the layers that int8 harms stay in float; if that does not help, the float model is written.
    """
    require_extra("quantization")
    from exporters import quantize_for

    options.admit_models(options.model)
    model, out = options.model, options.out or options.model.with_suffix(".int8.onnx")
    paths = {name: out if i == 0 else out.with_suffix(f".{name}{out.suffix}") for i, name in enumerate(options.targets)}
    with reporting() as reporter:
        results = quantize_for(model, options.data, paths, options, reporter)
    for skipped in results[0].skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    if options.json:
        print_json({**as_json(results[0]), "others": [as_json(result) for result in results[1:]]})
        return
    for result in results:
        _print(result, model)
    note(f"next: edgecnn verify {model} {' '.join(r.file for r in results)} --data {options.data}")


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
    for kept in result.kept_float:
        print(f"in float: {kept.operator} {kept.node}: {kept.reason}")
    ranges = f"ranges by {result.calibration.method}{', layers corrected' if result.calibration.corrected else ''}"
    print(f"agreement {result.agreement:.2%}, KL {result.kl:.2g}, {ranges}; {result.note}")
    if result.clip_file is not None:
        print(f"clip file: {result.clip_file}")
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
