"""What a finished run writes for people and programs: summary.json and report.html."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.atomic import write_text
from edgecnn.manifest import Manifest
from edgecnn.metrics import Metrics
from edgecnn.training.data import TrainingData
from edgecnn.training.history import EpochRow
from edgecnn.training.options import TrainOptions, TrainResult
from edgecnn.training.report import Mistake, ReportInput, write_report
from edgecnn.training.run_folder import RunFolder
from edgecnn.training.setup import Setup

__all__ = ["Outcome", "write_results"]


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    data: TrainingData
    manifest: Manifest
    history: tuple[EpochRow, ...]
    metrics: Metrics  # of the best checkpoint on the validation pictures
    probabilities: NDArray[np.float32]  # [N, C], the same
    test: Metrics | None  # of the same on pictures that chose nothing
    seconds: float


def write_results(outcome: Outcome, parameters: int) -> TrainResult:
    """Writes summary.json and report.html. Raises :class:`OutputError`."""
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
        val_top1=outcome.metrics.top1,
        val_macro_f1=outcome.metrics.macro_f1,
        val_ece=outcome.metrics.ece,
        test_top1=outcome.test.top1 if outcome.test else None,
        seconds=round(outcome.seconds, 1),
        images_per_s=round(trained / seconds, 1) if seconds else 0.0,
        skipped=outcome.data.skipped,
    )
    summary: dict[str, Any] = {
        **asdict(result),
        "val_nll": outcome.metrics.nll,
        "duplicates": outcome.data.duplicates,
        "options": asdict(outcome.options),
        "recipe": asdict(outcome.setup.recipe),
        "manifest": json.loads(outcome.manifest.to_json()),
    }
    write_text(outcome.run.summary, json.dumps(summary, indent=1, default=str))
    write_report(outcome.run.report, _report(outcome, result))
    return result


def _report(outcome: Outcome, result: TrainResult) -> ReportInput:
    val = outcome.data.of("val")
    truth = np.array([s.label for s in val])
    answers, confidence = outcome.probabilities.argmax(1), outcome.probabilities.max(1)
    wrong = sorted(np.flatnonzero(answers != truth), key=lambda i: -confidence[i])
    labels = outcome.data.labels
    return ReportInput(
        title=f"{result.model} on {outcome.data.root.name}",
        facts=_facts(outcome, result),
        history=outcome.history,
        metrics=outcome.metrics,
        confidence=confidence.astype(np.float64),
        correct=answers == truth,
        mistakes=[Mistake(val[i].path, labels[truth[i]], labels[answers[i]], float(confidence[i])) for i in wrong],
        skipped=[(s.path, s.reason) for s in outcome.data.skipped],
    )


def _facts(outcome: Outcome, result: TrainResult) -> list[tuple[str, str]]:
    unknown = outcome.manifest.unknown
    test = [("test top-1", f"{result.test_top1:.4f}, on pictures that chose nothing")] if result.test_top1 is not None else []
    return [
        ("network", f"{result.model}, {result.parameters:,} parameters, {outcome.setup.imgsz} x {outcome.setup.imgsz} pixels"),
        ("recipe", f"{outcome.setup.recipe.name}, {result.epochs} epochs, seed {outcome.options.seed}"),
        (
            "pictures",
            f"{result.train_images:,} to train, {result.val_images:,} to validate, {len(result.skipped)} skipped, {outcome.data.duplicates} copies",
        ),
        ("time", f"{result.seconds:,.0f} s, {result.images_per_s:,.1f} pictures a second while training"),
        ("temperature", f"{outcome.manifest.temperature:g}"),
        (
            f"unknown {'above' if unknown.in_graph else 'below'}",
            f"{unknown.score} {unknown.threshold:.4f}, which rejects {unknown.false_reject_rate:.1%} of the validation pictures",
        ),
        *test,
        ("data SHA-256", outcome.data.sha256),
        ("again", _command(outcome)),
    ]


def _command(outcome: Outcome) -> str:
    """The command that repeats the run."""
    o, setup = outcome.options, outcome.setup
    words = ["edgecnn", "train", str(o.data), "--model", setup.spec.name, "--preset", setup.recipe.name, "--weights", o.weights]
    words += ["--epochs", str(len(outcome.history)), "--imgsz", str(setup.imgsz), "--batch", str(o.batch), "--lr", f"{setup.recipe.lr:g}"]
    words += ["--augment", setup.recipe.augmentation, "--val-split", f"{o.val_split:g}", "--test-split", f"{o.test_split:g}", "--seed", str(o.seed)]
    return shlex.join(words)
