"""The end of a run: the best checkpoint is calibrated, judged and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.manifest import Manifest
from edgecnn.metrics import judge
from edgecnn.preprocess import Image
from edgecnn.training.calibrate import fit_temperature, fit_unknown
from edgecnn.training.checkpoint import load_checkpoint, save_checkpoint
from edgecnn.training.data import TrainingData
from edgecnn.training.history import EpochRow, write_results_csv
from edgecnn.training.judge import TorchJudge
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.options import TrainOptions, TrainResult
from edgecnn.training.results import Outcome, write_results
from edgecnn.training.run_folder import RunFolder
from edgecnn.training.setup import Setup

__all__ = ["Finished", "finish"]


@dataclass(frozen=True)
class Finished:
    """A run whose last epoch is over."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    data: TrainingData
    manifest: Manifest
    history: tuple[EpochRow, ...]


def finish(done: Finished, network: ImageClassifier, val: Image, exact_pixels: Callable[[str], Image], seconds: Callable[[], float]) -> TrainResult:
    """Writes the calibrated best.pt, results.csv, summary.json and report.html.

    Args:
        done: the run.
        network: of the run; it gets the best weights.
        val: the validation pictures as the device sees them, uint8 ``[N, H, W, 3]``.
        exact_pixels: gives the same of another split.
        seconds: how long the run took so far.

    Raises:
        OutputError: a file cannot be written.
    """
    best = load_checkpoint(done.run.best)
    network.load_state_dict(best.weights)
    judged = TorchJudge(network, done.manifest)
    truth = {split: np.array([s.label for s in done.data.samples if s.split == split]) for split in ("val", "test")}
    logits = _logits(judged, val, done.options.batch)
    temperature = fit_temperature(logits, truth["val"])
    probabilities = _softmax(logits, temperature)
    found = judge(probabilities, truth["val"].tolist(), done.data.labels)
    manifest = done.manifest.replace(
        temperature=temperature,
        unknown=fit_unknown(probabilities),
        training=replace(done.manifest.training, val_top1=found.top1),
    )
    save_checkpoint(done.run.best, replace(best, manifest=manifest))
    write_results_csv(done.run.results, done.history)
    tested, answers = None, None
    if len(truth["test"]):
        answers = _softmax(_logits(judged, exact_pixels("test"), done.options.batch), temperature)
        tested = judge(answers, truth["test"].tolist(), done.data.labels)
    outcome = Outcome(
        done.options, done.setup, done.run, done.data, manifest, done.history, found, probabilities, tested, seconds(), network, answers
    )
    return write_results(outcome, sum(p.numel() for p in network.parameters()))


def _logits(model: TorchJudge, pixels: Image, batch: int) -> NDArray[np.float32]:
    return np.concatenate([model.logits(np.asarray(pixels[i : i + batch])) for i in range(0, len(pixels), batch)])


def _softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return torch.from_numpy(logits).div(temperature).softmax(1).numpy()
