"""Training, from a folder of pictures to a run folder: the page to read first."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecnn import __version__
from edgecnn.errors import CheckpointError, DataError, TrainingError
from edgecnn.manifest import InputSpec, Manifest, TrainingRecord, UnknownRule
from edgecnn.metrics import judge
from edgecnn.preprocess import Image, fit, preprocess, read_picture
from edgecnn.progress import Reporter, Silent
from edgecnn.training.augment import Augmentation
from edgecnn.training.batches import TrainingBatch, training_batches
from edgecnn.training.cache import cache_pictures
from edgecnn.training.calibrate import fit_temperature
from edgecnn.training.checkpoint import Checkpoint, Progressed, load_checkpoint, save_checkpoint
from edgecnn.training.data import TrainingData, take_in
from edgecnn.training.head import Features, compute_features, fit_head
from edgecnn.training.history import EpochRow, write_results_csv
from edgecnn.training.judge import TorchJudge
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.options import TrainOptions, TrainResult
from edgecnn.training.precision import mixed_precision
from edgecnn.training.results import Outcome, write_results
from edgecnn.training.run_folder import RunFolder, open_run, write_split_csv
from edgecnn.training.schedule import learning_rate
from edgecnn.training.setup import Setup, build_network, last_linear, settle
from edgecnn.training.tensors import loss, normalize
from edgecnn.training.unknown import LEAST_VALIDATION_PICTURES, UnknownFit, fit_unknown, spread

__all__ = ["train"]

_TIMED_STEPS = 3
_KEPT_FOR_THE_END = 0.9  # of a time budget: the rest goes into calibration, evaluation and the report


def train(options: TrainOptions, reporter: Reporter | None = None) -> TrainResult:
    """Trains a classifier on a folder of pictures and writes a run folder.

    Args:
        options: what to train on, and how.
        reporter: told of stages and progress.

    Raises:
        UsageError: an option that cannot be used.
        InputNotFoundError, DataError: the folder of pictures cannot be trained on.
        CheckpointError, MissingExtraError: the weights to start from cannot be had.
        TrainingError: the loss is no number any more.
        OutputError: the run folder cannot be written; what was written before is whole.
    """
    reporter = reporter or Silent()
    setup = settle(options)  # before anything is made, so that a wrong option leaves nothing behind
    run = open_run(options.out, resume=options.resume, force=options.force)
    if options.resume:
        options, setup = _as_begun(options, run)
    data = take_in(options.data, options.val_split, options.test_split, options.seed, reporter, options.workers)
    return _Run(options, setup, run, data, reporter).train()


def _as_begun(options: TrainOptions, run: RunFolder) -> tuple[TrainOptions, Setup]:
    """A resumed run goes on with the options that it was begun with."""
    progressed = load_checkpoint(run.last).progressed
    if progressed is None:
        raise CheckpointError(f"{run.last}: holds weights alone, so there is nothing to resume; start from it with --weights {run.last}")
    stored = {**progressed.options, "data": options.data, "out": options.out, "resume": True}
    begun = TrainOptions(**stored)
    return begun, settle(begun)


class _Run:
    """One training run; each method is one stage of it."""

    def __init__(self, options: TrainOptions, setup: Setup, run: RunFolder, data: TrainingData, reporter: Reporter) -> None:
        self.options, self.setup, self.run, self.data, self.reporter = options, setup, run, data, reporter
        self.started = time.monotonic()
        self.history: list[EpochRow] = []
        self.best_top1, self.best_nll, self.seconds_before = -1.0, math.inf, 0.0
        self.epochs = setup.recipe.epochs
        torch.manual_seed(options.seed)
        self.network = build_network(setup, data.labels).to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.network, setup)
        self.manifest = self._manifest()
        if options.force and not options.resume:
            run.clear()  # not before: a run that cannot begin must not cost the earlier one

    def train(self) -> TrainResult:
        if not self.data.of("train") or not self.data.of("val"):
            raise DataError(f"{self.data.root}: nothing to train on, or nothing to validate on; add pictures")
        begun = self._resume() if self.options.resume else False
        write_split_csv(self.run.split, self.data)
        val_pixels = self._exact_pixels("val")
        val_truth = np.array([s.label for s in self.data.of("val")])
        pixels = self._training_pixels()
        if not begun and self.setup.recipe.head_first:
            self._fit_head(pixels, val_pixels)
            self._keep_if_best(*self._validate(val_pixels, val_truth))
            save_checkpoint(self.run.last, self._checkpoint(resumable=True))
        if self.epochs > len(self.history):
            self._epochs(pixels, val_pixels, val_truth)
        return self._finish(val_pixels, val_truth)

    def _resume(self) -> bool:
        checkpoint = load_checkpoint(self.run.last)
        progressed = checkpoint.progressed
        assert progressed is not None  # _as_begun saw to it
        if checkpoint.manifest.training.data_sha256 != self.data.sha256:
            raise CheckpointError(f"{self.data.root}: not the pictures that {self.run.root} was begun with; give those, or begin another run")
        self.network.load_state_dict(checkpoint.weights)
        self.optimizer.load_state_dict(progressed.optimizer)
        self.history, self.epochs = list(progressed.history), progressed.planned_epochs
        self.best_top1, self.best_nll, self.seconds_before = progressed.best_top1, progressed.best_nll, progressed.seconds
        self.reporter.say(f"resuming {self.run.root} after epoch {len(self.history)} of {self.epochs}")
        return True

    def _manifest(self) -> Manifest:
        size, recipe = self.setup.imgsz, self.setup.recipe
        return Manifest(
            labels=self.data.labels,
            input=InputSpec(size, size),
            preprocess=replace(recipe.preprocess, pad_value=self.setup.normalization.zero_point),
            normalization=self.setup.normalization,
            unknown=UnknownRule(),
            training=TrainingRecord(self.setup.spec.name, self.run.root.name, self.data.sha256, None, self.options.seed),
            created_by=f"edgecnn {__version__}",
        )

    def _exact_pixels(self, split: str) -> Image:
        """Pictures exactly as the device will see them."""
        size, spec = self.manifest.input, self.manifest.preprocess
        paths = [s.path for s in self.data.samples if s.split == split]
        progress = self.reporter.stage(f"preparing {split} pictures")
        return cache_pictures(paths, size.height, size.width, lambda p: preprocess(p, size, spec), self.run.root, progress, self.options.workers)

    def _training_pixels(self) -> Image:
        """Pictures a little larger than the model's input where crops are taken from them, else exact ones."""
        side = round(self.setup.imgsz * self.setup.augmentation.margin)
        size, spec = InputSpec(side, side), self.manifest.preprocess
        paths = [s.path for s in self.data.of("train")]
        progress = self.reporter.stage("preparing training pictures")
        return cache_pictures(paths, side, side, lambda p: fit(read_picture(p), size, spec), self.run.root, progress, self.options.workers)

    def _fit_head(self, pixels: Image, val_pixels: Image) -> None:
        """Logistic regression on the frozen network's features: where fine-tuning begins."""
        setup, size, labels = self.setup, self.options.batch, [s.label for s in self.data.of("train")]
        found: list[Features] = []
        for view in range(setup.recipe.head_views):
            rule = setup.augmentation if view else Augmentation()  # the first as they are
            batches = training_batches(pixels, labels, setup.imgsz, size, rule, self.options.seed, -1 - view)
            truths: list[NDArray[np.int64]] = []
            progress = self.reporter.stage(f"features, view {view + 1} of {setup.recipe.head_views}")
            features = compute_features(self.network, setup.normalization, _images(batches, truths), len(pixels), progress)
            found.append((features, torch.from_numpy(np.concatenate(truths))))
        exact = (np.asarray(val_pixels[i : i + size]) for i in range(0, len(val_pixels), size))
        val = compute_features(self.network, setup.normalization, exact, len(val_pixels), self.reporter.stage("features of val pictures"))
        truth = torch.tensor([s.label for s in self.data.of("val")])
        train = torch.cat([f for f, _ in found]), torch.cat([y for _, y in found])
        fit_head(last_linear(self.network), train, (val, truth), self.reporter.stage("fitting the classifier"))

    def _epochs(self, pixels: Image, val_pixels: Image, val_truth: NDArray[np.int64]) -> None:
        labels = [s.label for s in self.data.of("train")]
        if self.options.time_budget_min is not None and not self.history:
            self.reporter.stage("timing a few steps")(0, 1)
            start = time.monotonic()
            self._validate(val_pixels, val_truth)
            self.epochs = self._plan(pixels, labels, time.monotonic() - start)
        for epoch in range(len(self.history), self.epochs):
            begun = time.monotonic()
            start = time.monotonic()
            mean_loss, seen = self._epoch(epoch, pixels, labels)
            seconds = time.monotonic() - start
            nll, top1 = self._validate(val_pixels, val_truth)
            rate = learning_rate(self.setup.recipe, (epoch + 1) * self._steps - 1, self.epochs * self._steps)
            self.history.append(EpochRow(epoch + 1, self.setup.recipe.name, mean_loss, nll, top1, rate, seconds, seen / seconds))
            self._keep_if_best(nll, top1)
            save_checkpoint(self.run.last, self._checkpoint(resumable=True))
            write_results_csv(self.run.results, self.history)
            if self._over_budget(time.monotonic() - begun) and epoch + 1 < self.epochs:
                self.reporter.say(f"ending after epoch {epoch + 1} of {self.epochs}: another would outlast the time budget")
                break

    def _over_budget(self, epoch_s: float) -> bool:
        """Whether another epoch like the last would end too late: the plan is an estimate, and machines are shared."""
        budget_min = self.options.time_budget_min
        return budget_min is not None and time.monotonic() - self.started + epoch_s > 60 * budget_min

    @property
    def _steps(self) -> int:
        """Batches an epoch."""
        return max(1, math.ceil(len(self.data.of("train")) / self.options.batch))

    def _epoch(self, epoch: int, pixels: Image, labels: list[int]) -> tuple[float, int]:
        """Returns the mean training loss and how many pictures were seen."""
        setup, recipe = self.setup, self.setup.recipe
        torch.manual_seed(self.options.seed * 100_003 + epoch)  # dropout: a resumed epoch draws what it would have drawn
        self._training_mode()
        progress = self.reporter.stage(f"epoch {epoch + 1} of {self.epochs}")
        total, seen = 0.0, 0
        batches = training_batches(pixels, labels, setup.imgsz, self.options.batch, setup.augmentation, self.options.seed, epoch)
        for step, batch in enumerate(batches):
            rate = learning_rate(recipe, epoch * self._steps + step, self.epochs * self._steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["share"]
                if recipe.keras_epsilon:
                    group["eps"] = recipe.adam_epsilon / math.sqrt(1 - group["betas"][1] ** (epoch * self._steps + step + 1))
            batch_loss = self._step(batch.images, batch.labels)
            if not math.isfinite(batch_loss):
                raise TrainingError(self._diverged(epoch, step, batch.indices))
            total, seen = total + batch_loss * len(batch.labels), seen + len(batch.labels)
            progress(step + 1, self._steps, f"loss {total / seen:.3f}")
        return total / seen, seen

    def _step(self, images: Image, labels: NDArray[np.int64], *, update: bool = True) -> float:
        setup, recipe = self.setup, self.setup.recipe
        inputs = normalize(images, setup.normalization, setup.device)
        truth = torch.from_numpy(labels).to(setup.device)
        with mixed_precision(setup.device, wanted=recipe.mixed_precision):
            value = loss(self.network(inputs), truth, recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_each_norm is not None:
            for parameter in self.network.parameters():
                nn.utils.clip_grad_norm_([parameter], recipe.clip_each_norm)
        if update:
            self.optimizer.step()
        return float(value.detach())

    def _training_mode(self) -> None:
        self.network.train()
        if self.setup.recipe.freeze_batch_norm:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _plan(self, pixels: Image, labels: list[int], validation_s: float) -> int:
        """How many epochs fit into what is left of the time budget, by timing steps that change nothing."""
        assert self.options.time_budget_min is not None
        self._training_mode()
        size = min(self.options.batch, len(pixels))
        batch = next(iter(training_batches(pixels[:size], labels[:size], self.setup.imgsz, size, self.setup.augmentation, 0, 0)))
        buffers = [b.clone() for b in self.network.buffers()]  # batch-norm's running statistics
        times = []
        for _ in range(_TIMED_STEPS + 1):
            start = time.monotonic()
            self._step(batch.images, batch.labels, update=False)
            times.append(time.monotonic() - start)
        for buffer, before in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(before)
        per_picture_s = min(times[1:]) / size * 1.05 + validation_s / len(pixels)  # augmentation, and validation after each epoch
        left_s = self.options.time_budget_min * 60 * _KEPT_FOR_THE_END - (time.monotonic() - self.started)
        epochs = int(left_s / (per_picture_s * len(pixels)))
        least = 0 if self.setup.recipe.head_first else 1
        most = self.setup.recipe.epochs if self.options.epochs is not None else 3 * self.setup.recipe.epochs
        planned = max(least, min(epochs, most))
        self.reporter.say(f"{per_picture_s * 1e3:.0f} ms a picture: {planned} epochs fit into {self.options.time_budget_min:g} minutes")
        return planned

    def _validate(self, pixels: Image, truth: NDArray[np.int64]) -> tuple[float, float]:
        """NLL and top-1 on the validation pictures, in 32-bit floats."""
        logits = self._logits(pixels)
        p = torch.from_numpy(logits).softmax(1).numpy()
        if not np.isfinite(p).all():
            raise TrainingError(f"the weights are no numbers any more; begin again with a lower --lr (it is {self.setup.recipe.lr:g})")
        found = judge(p, truth.tolist(), self.data.labels)
        return found.nll, found.top1

    def _logits(self, pixels: Image) -> NDArray[np.float32]:
        model = TorchJudge(self.network, self.manifest)
        size = self.options.batch
        return np.concatenate([model.logits(np.asarray(pixels[i : i + size])) for i in range(0, len(pixels), size)])

    def _keep_if_best(self, nll: float, top1: float) -> None:
        """The higher top-1; between equals the lower NLL."""
        if (top1, -nll) > (self.best_top1, -self.best_nll):
            self.best_top1, self.best_nll = top1, nll
            save_checkpoint(self.run.best, self._checkpoint(resumable=False))

    def _checkpoint(self, *, resumable: bool) -> Checkpoint:
        weights: dict[str, Tensor] = {k: v.detach().cpu().clone().contiguous() for k, v in self.network.state_dict().items()}
        return Checkpoint(self.setup.spec.name, self.manifest, self.data.record, weights, self._progressed() if resumable else None)

    def _progressed(self) -> Progressed:
        return Progressed(
            recipe=_plain(asdict(self.setup.recipe)),
            options=_plain(asdict(self.options)),
            optimizer=self.optimizer.state_dict(),
            history=tuple(self.history),
            best_top1=self.best_top1,
            best_nll=self.best_nll,
            seconds=self._seconds(),
            planned_epochs=self.epochs,
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _finish(self, val_pixels: Image, val_truth: NDArray[np.int64]) -> TrainResult:
        """Calibrates the best checkpoint and writes what the run found."""
        best = load_checkpoint(self.run.best)
        self.network.load_state_dict(best.weights)
        logits = self._logits(val_pixels)
        temperature = fit_temperature(logits, val_truth)
        probabilities = torch.from_numpy(logits).div(temperature).softmax(1).numpy()
        found = judge(probabilities, val_truth.tolist(), self.data.labels)
        unknown = self._fit_unknown(val_pixels, logits, temperature)
        manifest = self.manifest.replace(
            temperature=temperature,
            unknown=unknown.rule,
            training=replace(self.manifest.training, val_top1=found.top1),
        )
        save_checkpoint(self.run.best, replace(best, manifest=manifest, unknown=unknown.tensors))
        write_results_csv(self.run.results, self.history)
        outcome = Outcome(
            self.options, self.setup, self.run, self.data, manifest, tuple(self.history), found, probabilities, self._test_top1(), self._seconds()
        )
        return write_results(outcome, sum(p.numel() for p in self.network.parameters()))

    def _fit_unknown(self, val_pixels: Image, logits: NDArray[np.float32], temperature: float) -> UnknownFit:
        """On features of the pictures as the device sees them, not as they were augmented."""
        if len(val_pixels) < LEAST_VALIDATION_PICTURES:
            return UnknownFit(UnknownRule())  # features would be computed for nothing
        model, size, train = TorchJudge(self.network, self.manifest), self.options.batch, self.data.of("train")
        paths = [train[i].path for i in spread(len(train))]
        progress = self.reporter.stage("features for the unknown score")
        shape, spec = self.manifest.input, self.manifest.preprocess
        pixels = cache_pictures(
            paths, shape.height, shape.width, lambda p: preprocess(p, shape, spec), self.run.root, lambda *_: None, self.options.workers
        )
        rows: list[Tensor] = []
        for i in range(0, len(pixels), size):
            rows.append(model.features(np.asarray(pixels[i : i + size])))
            progress(min(i + size, len(pixels)), len(pixels))
        val = torch.cat([model.features(np.asarray(val_pixels[i : i + size])) for i in range(0, len(val_pixels), size)])
        return fit_unknown(torch.cat(rows), val, torch.from_numpy(logits), temperature)

    def _test_top1(self) -> float | None:
        """Top-1 on the pictures that chose nothing; None where none were set aside."""
        samples = self.data.of("test")
        if not samples:
            return None
        answers = self._logits(self._exact_pixels("test")).argmax(1)
        return float((answers == np.array([s.label for s in samples])).mean())

    def _diverged(self, epoch: int, step: int, indices: NDArray[np.int64]) -> str:
        train = self.data.of("train")
        files = ", ".join(str(train[i].path) for i in indices[:3])
        return (
            f"the loss is no number any more in epoch {epoch + 1}, step {step + 1} (pictures {files} …); "
            f"begin again with a lower --lr (it is {self.setup.recipe.lr:g})"
        )


def _images(batches: Iterator[TrainingBatch], truths: list[NDArray[np.int64]]) -> Iterator[Image]:
    """Passes the pictures on and puts their labels aside."""
    for batch in batches:
        truths.append(batch.labels)
        yield batch.images


def _optimizer(network: ImageClassifier, setup: Setup) -> torch.optim.Optimizer:
    """The backbone may learn more slowly than the classifier; biases and norms are not decayed."""
    recipe = setup.recipe
    head = {id(p) for p in network.classifier.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault((id(parameter) in head, parameter.ndim > 1), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": found, "share": 1.0 if is_head else recipe.backbone_lr, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (is_head, decays), found in groups.items()
    ]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(settings, lr=recipe.lr, eps=recipe.adam_epsilon)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Paths as text: a checkpoint holds plain values alone."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
