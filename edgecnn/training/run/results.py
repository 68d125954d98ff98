"""What a finished run writes for people and programs: summary.json and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.atomic import write_text
from edgecnn.evaluation.metrics import Metrics
from edgecnn.image_size import show_image_size
from edgecnn.manifest import UNKNOWN_OFF, Manifest
from edgecnn.training.calibration.ood_score import MIN_VALIDATION_IMAGES
from edgecnn.training.data.examples import Examples
from edgecnn.training.nouns import IMAGES, Nouns
from edgecnn.training.options import TrainOptions
from edgecnn.training.report import DataFinding, EvaluatedPart, ReportInput
from edgecnn.training.report.content import Mistake, Timeline
from edgecnn.training.result import TrainResult
from edgecnn.training.run.environment import environment
from edgecnn.training.run.history import EpochRow
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.run.run_folder import RunFolder
from edgecnn.training.setup import Setup

__all__ = ["Outcome", "write_results"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished run."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    data: Examples
    manifest: Manifest
    history: tuple[EpochRow, ...]
    metrics: Metrics  # of the best checkpoint on the validation images
    probabilities: NDArray[np.float32]  # [N, C], the same
    test: Metrics | None  # of the same on images that chose nothing
    seconds: float
    truth: NDArray[np.int64]  # [N] classes of the validation images
    mistakes: Sequence[Mistake] = ()  # of the validation images, the worst first
    test_probabilities: NDArray[np.float32] | None = None  # [N, C]
    test_truth: NDArray[np.int64] | None = None  # [N]
    findings: Sequence[DataFinding] | None = None  # of an examination of the images; None: there was none
    nouns: Nouns = IMAGES
    timelines: Sequence[Timeline] = ()  # of some validation clips


def write_results(outcome: Outcome, parameters: int) -> TrainResult:
    """Writes summary.json and report.html. Raises :class:`OutputError`."""
    from edgecnn.training.report import write_report  # noqa: PLC0415  # matplotlib costs 0.4 s, no step needs it

    seconds = sum(row.seconds for row in outcome.history)
    trained = sum(row.seconds * row.images_per_s for row in outcome.history)
    result = TrainResult(
        run_dir=str(outcome.run.root),
        best_checkpoint=str(outcome.run.best),
        last_checkpoint=str(outcome.run.last),
        model=outcome.setup.spec.name,
        parameters=parameters,
        labels=outcome.data.labels,
        epochs=len(outcome.history),
        train_images=len(outcome.data.of("train")),
        val_images=len(outcome.data.of("val")),
        test_images=len(outcome.data.of("test")),
        val_top1=outcome.metrics.top1,
        val_macro_f1=outcome.metrics.macro_f1,
        val_ece=outcome.metrics.ece,
        best_by=outcome.options.best_by,
        test_top1=outcome.test.top1 if outcome.test else None,
        seconds=round(outcome.seconds, 1),
        images_per_s=round(trained / seconds, 1) if seconds else 0.0,
        unknown=outcome.manifest.unknown,
        skipped=tuple(outcome.data.skipped),
        left_out=outcome.data.left_out,
        findings=outcome.data.findings,
        examples=outcome.nouns.examples,
        answers=outcome.nouns.answers,
        val_answers=outcome.metrics.images,
    )
    summary: dict[str, Any] = {
        **asdict(result),
        "val": asdict(outcome.metrics),
        "test": asdict(outcome.test) if outcome.test else None,
        "duplicates": outcome.data.duplicates,
        "options": asdict(outcome.options),
        "recipe": asdict(outcome.setup.recipe),
        "manifest": json.loads(outcome.manifest.to_json()),
    }
    write_text(outcome.run.summary, json.dumps(summary, indent=1, default=str))
    write_report(outcome.run.report, _report(outcome, result))
    return result


def _report(outcome: Outcome, result: TrainResult) -> ReportInput:
    small = outcome.setup.small_imgsz
    small_epochs = sum(row.imgsz == show_image_size(small) for row in outcome.history) if small else None
    return ReportInput(
        title=f"{result.model} on {outcome.data.root.name}",
        facts=_facts(outcome, result),
        command=repeat_command(outcome.options, outcome.setup, len(outcome.history), small_epochs),
        environment=[
            *environment(outcome.setup.device),
            ("seed", str(outcome.options.seed)),
            ("data SHA-256", outcome.data.sha256),
        ],
        history=outcome.history,
        best_by=outcome.options.best_by,
        val=EvaluatedPart(outcome.metrics, outcome.probabilities, outcome.truth),
        test=EvaluatedPart(outcome.test, outcome.test_probabilities, outcome.test_truth) if outcome.test else None,
        mistakes=outcome.mistakes,
        skipped=[(s.path, s.reason) for s in outcome.data.skipped],
        findings=outcome.findings,
        nouns=outcome.nouns,
        timelines=outcome.timelines,
    )


def _facts(outcome: Outcome, result: TrainResult) -> list[tuple[str, str]]:
    tested = f", {result.test_images:,} to test" if outcome.test else ""
    size = outcome.manifest.input
    return [
        (
            "network",
            f"{result.model}, {result.parameters:,} parameters, {size.height} x {size.width} pixels",
        ),
        ("recipe", f"{outcome.setup.recipe.name}, {result.epochs} epochs, the best one by {result.best_by}"),
        (result.examples, f"{result.train_images:,} to train, {result.val_images:,} to validate{tested}"),
        ("of them", f"{outcome.data.duplicates} copies of others; {len(result.skipped)} more could not be read"),
        ("time", f"{result.seconds:,.0f} s, {result.images_per_s:,.1f} {result.examples} a second while training"),
        ("temperature", f"{outcome.manifest.temperature:g}"),
        _unknown(outcome, result),
    ]


def _unknown(outcome: Outcome, result: TrainResult) -> tuple[str, str]:
    unknown = outcome.manifest.unknown
    if unknown.off:
        return "unknown", UNKNOWN_OFF
    few = result.val_images < MIN_VALIDATION_IMAGES
    rated = "validation and (cross-fitted) training" if few else "validation"
    rate = f"{unknown.false_reject_rate:.1%}"
    return (
        f"unknown {'above' if unknown.in_graph else 'below'}",
        f"{unknown.score} {unknown.threshold:.4f}, which rejects {rate} of the {rated} {result.answers}",
    )
