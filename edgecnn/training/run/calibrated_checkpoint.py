"""The best checkpoint of a run, once more, with what was fitted after training."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.manifest import Manifest
from edgecnn.training.calibration.ood_score import UnknownFit
from edgecnn.training.run.checkpoint import Checkpoint, save_checkpoint
from edgecnn.training.run.history import write_results_csv
from edgecnn.training.task import FinishedRun

__all__ = ["save_calibrated"]


def save_calibrated(
    done: FinishedRun,
    best: Checkpoint,
    temperature: float,
    unknown: UnknownFit,
    val_top1: float,
    classes: ClassStatistics | None = None,
) -> Manifest:
    """Writes the calibrated best.pt, and results.csv.

    Args:
        done: the run.
        best: its best checkpoint.
        temperature: of its probabilities.
        unknown: the rule for `unknown`, with the tensors of its score.
        val_top1: top-1 accuracy on the validation set, as a fraction.
        classes: statistics of the features of each class.

    Returns:
        The manifest of the calibrated checkpoint.

    Raises:
        OutputError: a file cannot be written.
    """
    manifest = done.manifest.replace(
        temperature=temperature, unknown=unknown.rule, training=replace(done.manifest.training, val_top1=val_top1)
    )
    remembered = None if classes is None else classes.to_json()
    save_checkpoint(done.run.best, replace(best, manifest=manifest, unknown=unknown.tensors, classes=remembered))
    write_results_csv(done.run.results, done.history)
    return manifest
