"""The end of a run: the best checkpoint is calibrated, evaluated and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgecnn.evaluation.metrics import compute_metrics
from edgecnn.manifest import Manifest, UnknownRule
from edgecnn.preprocess import Image, preprocess
from edgecnn.progress import Reporter
from edgecnn.training.calibration.ood_score import MIN_VALIDATION_IMAGES, UnknownFit, fit_unknown, spread
from edgecnn.training.calibration.temperature import fit_temperature
from edgecnn.training.data.load import TrainingData
from edgecnn.training.data.pixel_cache import cache_images
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, save_checkpoint
from edgecnn.training.run.history import EpochRow, write_results_csv
from edgecnn.training.run.results import Outcome, write_results
from edgecnn.training.run.run_folder import RunFolder
from edgecnn.training.setup import Setup
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["FinalizeContext", "finalize"]


@dataclass(frozen=True)
class FinalizeContext:
    """A run whose last epoch is over."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    data: TrainingData
    manifest: Manifest
    history: tuple[EpochRow, ...]
    reporter: Reporter


def finalize(
    done: FinalizeContext,
    network: ImageClassifier,
    val: Image,
    exact_pixels: Callable[[str], Image],
    seconds: Callable[[], float],
) -> TrainResult:
    """Writes the calibrated best.pt, results.csv, summary.json and report.html.

    Args:
        done: the run.
        network: of the run; it gets the best weights.
        val: the validation images as the device sees them, uint8 ``[N, H, W, 3]``.
        exact_pixels: gives the same of another split.
        seconds: how long the run took so far.

    Raises:
        OutputError: a file cannot be written.
    """
    best = load_checkpoint(done.run.best)
    network.load_state_dict(best.weights)
    evaluated = TorchBackend(network, done.manifest)
    truth = {split: np.array([s.label for s in done.data.samples if s.split == split]) for split in ("val", "test")}
    logits = _logits(evaluated, val, done.options.batch)
    temperature = fit_temperature(logits, truth["val"])
    probabilities = _softmax(logits, temperature)
    found = compute_metrics(probabilities, truth["val"].tolist(), done.data.labels)
    unknown = _fit_unknown(done, evaluated, val, logits, temperature)
    manifest = done.manifest.replace(
        temperature=temperature,
        unknown=unknown.rule,
        training=replace(done.manifest.training, val_top1=found.top1),
    )
    save_checkpoint(done.run.best, replace(best, manifest=manifest, unknown=unknown.tensors))
    write_results_csv(done.run.results, done.history)
    tested, answers = None, None
    if len(truth["test"]):
        answers = _softmax(_logits(evaluated, exact_pixels("test"), done.options.batch), temperature)
        tested = compute_metrics(answers, truth["test"].tolist(), done.data.labels)
    outcome = Outcome(
        done.options,
        done.setup,
        done.run,
        done.data,
        manifest,
        done.history,
        found,
        probabilities,
        tested,
        seconds(),
        network,
        answers,
        done.data.findings,
    )
    return write_results(outcome, sum(p.numel() for p in network.parameters()))


def _fit_unknown(
    done: FinalizeContext, model: TorchBackend, val: Image, logits: NDArray[np.float32], temperature: float
) -> UnknownFit:
    """On features of the images as the device sees them, not as they were augmented."""
    if len(val) < MIN_VALIDATION_IMAGES:
        return UnknownFit(UnknownRule())  # features would be computed for nothing
    train, batch, shape, spec = done.data.of("train"), done.options.batch, done.manifest.input, done.manifest.preprocess
    paths = [train[i].path for i in spread(len(train))]
    progress = done.reporter.stage("features for the unknown score")
    pixels = cache_images(
        paths,
        shape.height,
        shape.width,
        lambda p: preprocess(p, shape, spec),
        done.run.root,
        lambda *_: None,
        done.options.workers,
    )
    found: list[Tensor] = []
    for i in range(0, len(pixels), batch):
        found.append(model.features(np.asarray(pixels[i : i + batch])))
        progress(min(i + batch, len(pixels)), len(pixels))
    held_out = torch.cat([model.features(np.asarray(val[i : i + batch])) for i in range(0, len(val), batch)])
    return fit_unknown(torch.cat(found), held_out, torch.from_numpy(logits), temperature)


def _logits(model: TorchBackend, pixels: Image, batch: int) -> NDArray[np.float32]:
    return np.concatenate([model.logits(np.asarray(pixels[i : i + batch])) for i in range(0, len(pixels), batch)])


def _softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return torch.from_numpy(logits).div(temperature).softmax(1).numpy()
