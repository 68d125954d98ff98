"""The end of a run: the best checkpoint is calibrated, evaluated and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgecnn.evaluation.metrics import compute_metrics
from edgecnn.evaluation.temperature import calibrated_probabilities, fit_temperature
from edgecnn.features.class_statistics import class_statistics
from edgecnn.manifest import Manifest, UnknownRule
from edgecnn.training.calibration.ood_score import MIN_IMAGES, UnknownFit, fit_unknown
from edgecnn.training.data.pixel_cache import CachedImages
from edgecnn.training.data.prepared import PreparedData
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.report.mistakes import find_mistakes
from edgecnn.training.result import TrainResult
from edgecnn.training.run.calibrated_checkpoint import save_calibrated
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.run.results import Outcome, write_results
from edgecnn.training.task import FinishedRun
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["finalize"]


def finalize(
    done: FinishedRun, prepared: PreparedData, network: ImageClassifier, seconds: Callable[[], float]
) -> TrainResult:
    """Writes the calibrated best.pt, results.csv, summary.json and report.html.

    Args:
        done: the run.
        prepared: its images.
        network: of the run; it gets the best weights.
        seconds: how long the run took so far.

    Raises:
        OutputError: a file cannot be written.
    """
    batch, labels = done.options.batch, prepared.data.labels
    best = load_checkpoint(done.run.best)
    network.load_state_dict(best.weights)
    evaluated = TorchBackend(network, done.manifest)
    truth = {split: prepared.truth(split) for split in ("val", "test")}
    features = _features_of(done, prepared, evaluated)
    logits = evaluated.logits_of(features.val)
    temperature = fit_temperature(logits, truth["val"])
    probabilities = calibrated_probabilities(logits, temperature)
    found = compute_metrics(probabilities, truth["val"].tolist(), labels)
    unknown = _fit_unknown(done, prepared, features, logits, temperature)
    classes = class_statistics(features.whole.numpy(), [*features.train_truth, *truth["val"]], len(labels))
    manifest = save_calibrated(done, best, temperature, unknown, found.top1, classes)
    tested, answers = None, None
    if len(truth["test"]):
        answers = calibrated_probabilities(_logits(evaluated, prepared.exact("test"), batch), temperature)
        tested = compute_metrics(answers, truth["test"].tolist(), labels)
    outcome = Outcome(
        options=done.options,
        setup=done.setup,
        run=done.run,
        data=prepared.data,
        manifest=manifest,
        history=done.history,
        metrics=found,
        probabilities=probabilities,
        test=tested,
        seconds=seconds(),
        truth=truth["val"],
        mistakes=find_mistakes(prepared.data.of("val"), probabilities, labels, _without_unknown(network, manifest)),
        test_probabilities=answers,
        test_truth=truth["test"],
        findings=prepared.data.findings,
    )
    return write_results(outcome, sum(p.numel() for p in network.parameters()))


def _without_unknown(network: ImageClassifier, manifest: Manifest) -> TorchBackend:
    """Without the rule for `unknown`, which needs more than the network and has no say in what is a mistake."""
    return TorchBackend(network, manifest.replace(unknown=UnknownRule()))


@dataclass(frozen=True, eq=False)
class _Features:
    """Of images as the device sees them, not as they were augmented."""

    train: Tensor  # [M, D], of some training images
    train_truth: tuple[int, ...]  # [M]
    val: Tensor  # [N, D]

    @property
    def whole(self) -> Tensor:
        """Of both, ``[M + N, D]``."""
        return torch.cat([self.train, self.val])


def _features_of(done: FinishedRun, prepared: PreparedData, model: TorchBackend) -> _Features:
    samples, known = prepared.for_features(), prepared.features
    progress = done.reporter.stage("features of the classes")
    train = known.of(model.network, [s.row for s in samples], model.features, progress=progress)
    val = known.of(model.network, prepared.rows("val"), model.features)
    return _Features(train, tuple(s.label for s in samples), val)


def _fit_unknown(
    done: FinishedRun, prepared: PreparedData, features: _Features, logits: NDArray[np.float32], temperature: float
) -> UnknownFit:
    pretrained = done.setup.pretrained or done.setup.start_from is not None
    known = len(prepared.rows("val")) + (len(prepared.data.of("train")) if pretrained else 0)
    if known < MIN_IMAGES:
        return UnknownFit(UnknownRule())
    return fit_unknown(features.train, features.val, torch.from_numpy(logits), temperature, cross_fit=pretrained)


def _logits(model: TorchBackend, pixels: CachedImages, batch: int) -> NDArray[np.float32]:
    return np.concatenate([model.logits(pixels[i : i + batch]) for i in range(0, len(pixels), batch)])
