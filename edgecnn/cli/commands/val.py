"""``edgecnn val``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from edgecnn.cli.output import note, print_facts, print_json, print_table
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.cli.val_options import ValOptions

if TYPE_CHECKING:
    from edgecnn.evaluation.evaluate import ValResult
    from edgecnn.evaluation.parity import VerifiableModel
    from edgecnn.progress import Progress

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ValOptions,
        val,
        "edgecnn val model.onnx --data data",
        "edgecnn val runs/train/1/weights/best.pt --data data --split all",
        "edgecnn val model.int8.onnx --data photographs --ep cpu --json",
        "edgecnn val clips.onnx --data clips --fps 10",
        "edgecnn val model.onnx --data s3://bucket/val --engine ray --out evaluation",
    )


def val(options: ValOptions) -> None:
    """Evaluate a model on labelled images, or a recurrent model on labelled clips."""
    options.check_engine()
    if options.engine == "ray":
        from edgecnn.cli.cluster.val import evaluate_on_cluster

        if (found := evaluate_on_cluster(options)) is not None:
            _report(options, found, "image", "ray")
        return
    from exporters.verify_models import open_model

    options.admit_models(options.model)
    opened = open_model(options.model, options.ep)
    with reporting() as reporter:
        result = _evaluate(opened, options, reporter.stage("evaluating"))
    _report(options, result, "image" if opened.manifest.temporal is None else "clip", opened.ep)


def _report(options: ValOptions, result: ValResult, unit: str, ran_on: str) -> None:
    from edgecnn.data.left_out import usage_line
    from edgecnn.evaluation.metrics import wilson_interval

    for skipped in result.skipped:
        note(f"skipped {skipped.path}: {skipped.reason}")
    note(f"evaluated {result.note}, on {ran_on}")
    note(usage_line(result.images, result.left_out, len(result.skipped), unit))
    if options.json:
        print_json(result)
        return
    low, high = wilson_interval(round(result.top1 * result.images), result.images)
    rows = [
        ("top-1", f"{result.top1:.4f}  (95 %: {low:.4f} to {high:.4f})"),
        ("top-5", "fewer than five classes" if result.top5 is None else f"{result.top5:.4f}"),
        ("macro-F1", f"{result.macro_f1:.4f}"),
        ("ECE, NLL", f"{result.ece:.4f}, {result.nll:.4f}"),
        (f"{unit}s", f"{result.images}, {len(result.skipped)} skipped, {result.images_per_s:.1f} a second"),
    ]
    print_facts(str(options.model), rows)
    shown = [c for c in result.per_class if c.images][:20]
    classes = [(c.label, str(c.images), _share(c.precision), _share(c.recall), _share(c.f1)) for c in shown]
    print_table(
        "classes" if len(shown) == len(result.labels) else f"{len(shown)} of {len(result.labels)} classes",
        ("class", f"{unit}s", "precision", "recall", "F1"),
        classes,
    )


def _evaluate(opened: VerifiableModel, options: ValOptions, progress: Progress) -> ValResult:
    from edgecnn.data.clips.frame_rate import check_rate

    check_rate(opened.manifest, options.fps)
    if opened.manifest.temporal is None:
        from edgecnn.evaluation.evaluate import validate

        return validate(
            opened, opened.split_record, Path(options.data), options.split, progress, max_pixels=options.max_pixels
        )
    from edgecnn.evaluation.evaluate_clips import validate_clips
    from edgecnn.evaluation.step_model import StepModel

    return validate_clips(
        cast("StepModel", opened),
        opened.split_record,
        Path(options.data),
        options.split,
        fps=options.fps,
        progress=progress,
        max_pixels=options.max_pixels,
        say=note,
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
