"""``edgecnn verify``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import AdmissionOption, FrameRateOption, JsonOption, ProviderOption
from edgecnn.cli.output import note, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

if TYPE_CHECKING:
    from edgecnn.evaluation.parity import Stage, VerifyResult

__all__ = ["register"]
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(ProviderOption, AdmissionOption, FrameRateOption, LargeImageOption, JsonOption):
    """Options of ``edgecnn verify``."""

    reference: Annotated[Path, Argument("Checkpoint or model file that the others are compared with.")]
    candidates: Annotated[tuple[Path, ...], Argument("Other forms of the same model.")]
    data: Annotated[
        Path,
        Option(
            "Folder of images; without labels, agreement alone decides. Of a recurrent model: clips.", metavar="DIR"
        ),
    ]
    max_drop: Annotated[float, Option("Maximum drop of top-1 accuracy, as a fraction.")] = 0.005
    min_agreement: Annotated[
        float, Option("Minimum fraction of images on which a candidate gives the reference's answer.")
    ] = 0.98
    report: Annotated[
        Path | None, Option("Write an HTML page that shows the images whose answer changed.", metavar="FILE")
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        VerifyOptions,
        verify,
        "edgecnn verify best.pt model.onnx model.int8.onnx --data data",
        "edgecnn verify model.onnx model.int8.onnx --data data --min-agreement 0.99 --json",
        "edgecnn verify best.pt model.int8.onnx --data data --report verify.html",
        "edgecnn verify best.pt clips.onnx clips.int8.onnx --data clips",
    )


def verify(options: VerifyOptions) -> int:
    """Compare forms of one model with each other, from image file to label."""
    from edgecnn.data.clips.frame_rate import check_rate
    from edgecnn.evaluation.parity import compare_models
    from edgecnn.runtime.analysis.divergence import locate_divergence
    from edgecnn.runtime.session.model_session import ModelSession
    from exporters.verify_models import open_model

    options.admit_models(options.reference, *options.candidates)
    opened = [open_model(path, options.ep) for path in (options.reference, *options.candidates)]
    check_rate(opened[0].manifest, options.fps)
    with reporting() as reporter:
        result = locate_divergence(
            compare_models(
                opened[0],
                opened[1:],
                options.data,
                options.max_drop,
                options.min_agreement,
                reporter.stage("verifying"),
                options.fps,
                options.max_pixels,
            ),
            opened,
            options.fps,
        )
    for skipped in result.skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    note(f"evaluated {result.note}")
    for backend in opened:
        if isinstance(backend, ModelSession) and (golden := backend.description.golden()) and golden.jpeg:
            note(f"{backend.file}: {golden.jpeg.difference() or 'golden JPEG: decoded as where the file was made'}")
    if options.report is not None:
        from edgecnn.atomic import write_text
        from edgecnn.evaluation.parity_report import parity_page

        write_text(options.report, parity_page(result))
    if options.json:
        print_json(result)
    else:
        _print(result)
    if not result.passed:
        assert result.first_divergence is not None
        note(f"edgecnn: gate failed: {result.first_divergence.file}: {result.first_divergence.reason}")
        return 3
    return 0


def _print(result: VerifyResult) -> None:
    """The comparison of every form, and the answers that changed."""
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
    print_table(f"{result.images} {result.unit}", ("file", "top-1", "agreement", "max diff", "KL", "SQNR"), rows)
    _print_frames(result.stages)
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


def _print_frames(stages: Sequence[Stage]) -> None:
    """The comparison per frame, of a recurrent model."""
    frames = [(stage.file, stage.per_frame) for stage in stages if stage.per_frame is not None]
    rows = [(file, f"{f.agreement:.2%}", f"{f.max_abs_diff:.1e}", f"{f.kl:.1e}") for file, f in frames]
    if frames:
        print_table(f"{frames[0][1].frames} frames", ("file", "agreement", "max diff", "KL"), rows)
