"""Training, from a folder of images to a run folder: the page to read first."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgecnn._version import __version__
from edgecnn.atomic import write_text
from edgecnn.errors import CheckpointError, DataError, InputNotFoundError, TrainingError, UsageError
from edgecnn.evaluation.metrics import compute_metrics
from edgecnn.manifest import InputSpec, Manifest, TrainingRecord, UnknownRule
from edgecnn.preprocess import Image, fit, preprocess, read_image
from edgecnn.progress import Reporter, Silent
from edgecnn.training.data.augment import Augmentation
from edgecnn.training.data.load import TrainingData, load_training_data
from edgecnn.training.data.loader import TrainingBatch, steps_an_epoch, training_batches
from edgecnn.training.data.pixel_cache import cache_images
from edgecnn.training.data.soft_labels import TrainingSet, make_training_set
from edgecnn.training.learner import Learner, cpu_weights
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import ModelSpec
from edgecnn.training.optim.distillation import load_teacher
from edgecnn.training.optim.distributed import ALONE, World, joined
from edgecnn.training.optim.linear_probe import LabelledFeatures, compute_features, fit_head
from edgecnn.training.optim.lr_finder import find_learning_rate
from edgecnn.training.optim.malloc import kept_memory
from edgecnn.training.optim.schedule import learning_rate
from edgecnn.training.optim.time_budget import plan_epochs
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import (
    Checkpoint,
    Progressed,
    load_checkpoint,
    load_last,
    save_checkpoint,
    save_last,
)
from edgecnn.training.run.finalize import FinalizeContext, finalize
from edgecnn.training.run.history import EpochRow, write_results_csv
from edgecnn.training.run.interruption import Interruption
from edgecnn.training.run.run_folder import RunFolder, open_run, write_split_csv
from edgecnn.training.run.tensorboard_log import TensorBoardLog
from edgecnn.training.setup import Setup, build_network, last_linear, resolve_options
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["train"]

_SAVE_EVERY_S = 180.0  # within an epoch: what a power cut may cost


def train(
    options: TrainOptions, reporter: Reporter | None = None, network: nn.Module | ModelSpec | None = None
) -> TrainResult:
    """Trains a classifier on a folder of images and writes a run folder.

    Started by ``torchrun``, it trains with the other processes; each returns the same result, the first one writes.

    Args:
        options: what to train on, and how.
        reporter: told of stages and progress.
        network: one of your own in place of a built-in one (docs/own-network.md); it is left as it is.

    Raises:
        UsageError: an option that cannot be used.
        InputNotFoundError, DataError: the folder of images cannot be trained on.
        CheckpointError, MissingExtraError: the weights to start from cannot be had.
        TrainingError: the loss is no number any more.
        OutputError: the run folder cannot be written; what was written before is whole.
    """
    setup = resolve_options(options, network)  # before anything is made, so that a wrong option leaves nothing behind
    with (
        joined(cuda=setup.device.type == "cuda") as world,
        kept_memory() if setup.device.type == "cpu" else nullcontext(),
    ):
        heard = reporter if reporter and world.leads else Silent()
        run = RunFolder(
            world.agree(
                open_run(options.out, resume=options.resume, force=options.force).root if world.leads else Path()
            )
        )
        resumed = None
        if options.resume:
            resumed = load_last(run.last, run.previous, heard)
            options, setup = _as_begun(options, resumed, run, network)
        data = load_training_data(
            options.data, options.val_split, options.test_split, options.seed, heard, options.workers
        )
        return _Run(options, setup, run, data, heard, world).train(resumed)


def _as_begun(
    options: TrainOptions, resumed: Checkpoint, run: RunFolder, network: nn.Module | ModelSpec | None
) -> tuple[TrainOptions, Setup]:
    """A resumed run goes on with the options that it was begun with."""
    if resumed.progressed is None:
        raise CheckpointError(
            f"{run.last}: holds weights alone, so there is nothing to resume; start from it with --weights {run.last}"
        )
    begun = TrainOptions.from_record(resumed.progressed.options, data=options.data, out=options.out, resume=True)
    return begun, resolve_options(begun, network)


class _Run:
    """One training run; each method is one stage of it."""

    def __init__(
        self,
        options: TrainOptions,
        setup: Setup,
        run: RunFolder,
        data: TrainingData,
        reporter: Reporter,
        world: World = ALONE,
    ) -> None:
        self.options, self.setup, self.run, self.data, self.reporter, self.world = (
            options,
            setup,
            run,
            data,
            reporter,
            world,
        )
        self.started = self.saved = time.monotonic()
        self.history: list[EpochRow] = []
        self.best_top1, self.best_nll, self.since_best, self.seconds_before = -1.0, math.inf, 0, 0.0
        self.epochs = setup.recipe.epochs
        self.step, self.loss_sum, self.seen = 0, 0.0, 0  # within the epoch
        self.newest: tuple[int, int, NDArray[np.int64]] | None = (
            None  # epoch, step and images that were learnt from last
        )
        self.batch = options.batch * world.size  # images a step, over all processes
        if len(data.of("train")) < world.size:
            raise UsageError(f"{world.size} processes for {len(data.of('train'))} training images; start fewer")
        torch.manual_seed(options.seed)
        built = build_network(setup, data.labels)
        self.network: ImageClassifier = built.to(setup.device, memory_format=built.memory_format)  # type: ignore[call-overload]
        self.learner = self._learner()
        self.manifest = self._manifest()
        if options.force and not options.resume and world.leads:
            run.clear()  # not before: a run that cannot begin must not cost the earlier one

    def train(self, resumed: Checkpoint | None) -> TrainResult:
        if not self.data.of("train") or not self.data.of("val"):
            raise DataError(f"{self.data.root}: nothing to train on, or nothing to validate on; add images")
        if resumed:
            self._resume(resumed)
        if self.world.leads:
            write_split_csv(self.run.split, self.data)
        val = self._exact_pixels("val")
        if resumed:
            self._replace_lost_best(val)
        images = make_training_set(self._training_pixels(), self.data, self.options.balance, self.options.soft_labels)
        if not resumed and self.setup.recipe.head_first:
            self._fit_head(images, val)
            self._keep_if_best(*self._validate(val))
            self._save_last()
        if self.options.find_lr and not resumed:
            self._find_lr(images)
        if self.epochs > len(self.history):
            self._epochs(images, val)
        return self._finish(val)

    def _learner(self) -> Learner:
        teacher = (
            load_teacher(self.options.teacher, self.data.labels, self.setup.device) if self.options.teacher else None
        )
        return Learner(self.network, self.setup, self.options.seed, self.world, teacher)

    def _resume(self, checkpoint: Checkpoint) -> None:
        progressed = checkpoint.progressed
        assert progressed is not None  # _as_begun saw to it
        if checkpoint.manifest.training.data_sha256 != self.data.sha256:
            raise CheckpointError(
                f"{self.data.root}: not the images that {self.run.root} was begun with; give those, or begin another "
                "run"
            )
        self.learner.resume(checkpoint.weights, progressed.learner)
        self.history, self.epochs = list(progressed.history), progressed.planned_epochs
        self.best_top1, self.best_nll, self.since_best = (
            progressed.best_top1,
            progressed.best_nll,
            progressed.since_best,
        )
        self.step, self.loss_sum, self.seen = progressed.step, progressed.loss_sum, progressed.seen
        self.seconds_before = progressed.seconds
        within = f", step {self.step}" if self.step else ""
        self.reporter.say(f"resuming {self.run.root} after epoch {len(self.history)} of {self.epochs}{within}")

    def _replace_lost_best(self, val: Image) -> None:
        """A damaged best.pt would be found out at the end of the run.

        The weights gone on with take its place, until an epoch does better.
        """
        why = self.world.agree(self._why_lost() if self.world.leads else None)
        if why is None or self.best_top1 < 0:  # below 0: there was none yet
            return
        self.reporter.say(f"{why.split(';')[0]}; going on with the weights of last.pt as the best so far")
        self.best_top1, self.best_nll = -1.0, math.inf
        self._keep_if_best(*self._validate(val))

    def _why_lost(self) -> str | None:
        try:
            load_checkpoint(self.run.best)
        except (CheckpointError, InputNotFoundError) as error:
            return str(error)
        return None

    def _manifest(self) -> Manifest:
        size, recipe = self.setup.imgsz, self.setup.recipe
        return Manifest(
            labels=self.data.labels,
            input=InputSpec(size, size),
            preprocess=replace(recipe.preprocess, pad_value=self.setup.normalization.zero_point),
            normalization=self.setup.normalization,
            unknown=UnknownRule(),
            training=TrainingRecord(
                self.setup.spec.name, self.run.root.name, self.data.sha256, None, self.options.seed
            ),
            created_by=f"edgecnn {__version__}",
        )

    def _exact_pixels(self, split: str) -> Image:
        """Images exactly as the device will see them."""
        size, spec = self.manifest.input, self.manifest.preprocess
        paths = [s.path for s in self.data.samples if s.split == split]
        progress = self.reporter.stage(f"preparing {split} images")
        return cache_images(
            paths,
            size.height,
            size.width,
            lambda p: preprocess(p, size, spec),
            self.run.root,
            progress,
            self.options.workers,
        )

    def _training_pixels(self) -> Image:
        """Images a little larger than the model's input where crops are taken from them, else exact ones."""
        side = round(self.setup.imgsz * self.setup.augmentation.margin)
        size, spec = InputSpec(side, side), self.manifest.preprocess
        paths = [s.path for s in self.data.of("train")]
        progress = self.reporter.stage("preparing training images")
        return cache_images(
            paths, side, side, lambda p: fit(read_image(p), size, spec), self.run.root, progress, self.options.workers
        )

    def _fit_head(self, images: TrainingSet, val: Image) -> None:
        """Logistic regression on the frozen network's features: where fine-tuning begins."""
        setup, found, mixed = self.setup, [], self.setup.recipe.mixed_precision
        for view in range(setup.recipe.head_views):
            # The first as they are
            rule = replace(setup.augmentation, mixup=0.0, cutmix=0.0) if view else Augmentation()
            batches = self._batches(images, -1 - view, rule)
            progress = self.reporter.stage(f"features, view {view + 1} of {setup.recipe.head_views}")
            found.append(
                compute_features(self.network, setup.normalization, batches, len(images), progress, mixed=mixed)
            )
        progress = self.reporter.stage("features of val images")
        held_out = compute_features(
            self.network, setup.normalization, self._val_batches(val), len(val), progress, mixed=mixed
        )
        train = LabelledFeatures.together([part for view in found for part in self.world.gather(view)])
        fit_head(
            last_linear(self.network),
            train,
            LabelledFeatures.together(self.world.gather(held_out)),
            self.reporter.stage("fitting the classifier"),
        )

    def _val_batches(self, val: Image) -> Iterator[TrainingBatch]:
        """This process's part of the validation images, in order."""
        truth = self._truth()
        for i in range(self.world.rank * self.options.batch, len(val), self.batch):
            indices = np.arange(i, min(i + self.options.batch, len(val)))
            targets = np.eye(len(self.data.labels), dtype=np.float32)[truth[indices]]
            yield TrainingBatch(
                np.asarray(val[indices]), targets, np.ones(len(indices), np.float32), indices, len(indices)
            )

    def _truth(self) -> NDArray[np.int64]:
        return np.array([s.label for s in self.data.of("val")])

    def _batches(
        self, images: TrainingSet, epoch: int, rule: Augmentation | None = None, first: int = 0
    ) -> Iterator[TrainingBatch]:
        workers = self.setup.loader_threads
        rule = rule or self.setup.augmentation
        size = self.setup.imgsz
        return training_batches(
            images, size, self.batch, rule, self.options.seed, epoch, first=first, workers=workers, world=self.world
        )

    def _find_lr(self, images: TrainingSet) -> None:
        found = find_learning_rate(
            self.network,
            self.setup,
            list(_first(self._batches(images, -9), 100)),
            self.reporter.stage("learning rates"),
        )
        lr = self.world.agree(found.suggestion)
        self.reporter.say(
            f"learning rate {lr:.2g}: the loss was least at {found.least_at:.2g}, the recipe's is "
            f"{self.setup.recipe.lr:.2g}"
        )
        self.options = replace(self.options, lr=lr, find_lr=False)  # so that a resumed run goes on with it
        self.setup = replace(self.setup, recipe=replace(self.setup.recipe, lr=lr))
        self.learner = self._learner()

    def _epochs(self, images: TrainingSet, val: Image) -> None:
        if self.options.time_budget_min is not None and not self.history and not self.step:
            self.epochs = self.world.agree(self._plan(images, val))
        self.learner.begin()
        log = (
            TensorBoardLog(self.run.tensorboard, self.reporter, self.history)
            if self.options.tensorboard and self.world.leads
            else None
        )
        with Interruption() as interruption, log or nullcontext():
            for epoch in range(len(self.history), self.epochs):
                start = time.monotonic()
                row = self._epoch(epoch, images, val, interruption)
                self.history.append(row)
                self.step, self.loss_sum, self.seen = 0, 0.0, 0
                self._keep_if_best(row.val_loss, row.val_top1)
                self._save_last()
                if self.world.leads:
                    write_results_csv(self.run.results, self.history)
                if log:
                    log.add(row)
                if self._stop_asked(interruption):
                    self._leave(interruption)
                why = self.world.agree(self._why_to_end(time.monotonic() - start))
                if why and epoch + 1 < self.epochs:
                    self.reporter.say(f"ending after epoch {epoch + 1} of {self.epochs}: {why}")
                    break

    def _plan(self, images: TrainingSet, val: Image) -> int:
        """How many epochs fit into what is left of the time budget."""
        assert self.options.time_budget_min is not None
        self.reporter.stage("timing a few steps")(0, 1)
        start = time.monotonic()
        self._validate(val)
        validation_s = time.monotonic() - start
        left_s = 60 * self.options.time_budget_min - (time.monotonic() - self.started)
        batch = next(self._batches(images, 0))
        planned = plan_epochs(
            self.learner,
            batch,
            steps_an_epoch(len(images), self.batch),
            validation_s,
            left_s,
            self.setup.recipe,
            self.options,
        )
        self.reporter.say(
            f"{planned.step_s * 1e3:.0f} ms a step: {planned.epochs} epochs fit into "
            f"{self.options.time_budget_min:g} minutes"
        )
        return planned.epochs

    def _why_to_end(self, epoch_s: float) -> str | None:
        """The plan is an estimate, and machines are shared: another epoch like the last may end too late."""
        budget_min, patience = self.options.time_budget_min, self.options.patience
        if budget_min is not None and time.monotonic() - self.started + epoch_s > 60 * budget_min:
            return "another would outlast the time budget"
        if patience is not None and self.since_best >= patience:
            return f"{self.since_best} epochs without a better one"
        return None

    def _epoch(self, epoch: int, images: TrainingSet, val: Image, interruption: Interruption) -> EpochRow:
        """Trains on every image once and validates."""
        steps = steps_an_epoch(len(images), self.batch, self.world.size)
        progress = self.reporter.stage(f"epoch {epoch + 1} of {self.epochs}")
        start, here = time.monotonic(), 0
        for step, batch in enumerate(self._batches(images, epoch, first=self.step), self.step):
            value = self.learner.step(batch, epoch * steps + step, self.epochs * steps)
            self.newest = epoch, step, batch.indices
            if not math.isfinite(value):
                raise TrainingError(self._diverged("the loss is no number any more"))
            self.loss_sum, self.seen, here = (
                self.loss_sum + value * len(batch.indices),
                self.seen + len(batch.indices),
                here + batch.whole,
            )
            self.step = step + 1
            progress(self.step, steps, self._standing(epoch, steps, here, time.monotonic() - start))
            if self._stop_asked(interruption):
                self._save_last()
                self._leave(interruption)
            elif time.monotonic() - self.saved > _SAVE_EVERY_S:
                self._save_last()
        seconds = time.monotonic() - start
        nll, top1 = self._validate(val)
        rate = learning_rate(self.setup.recipe, (epoch + 1) * steps - 1, self.epochs * steps)
        return EpochRow(
            epoch + 1, self.setup.recipe.name, self.loss_sum / self.seen, nll, top1, rate, seconds, here / seconds
        )

    def _standing(self, epoch: int, steps: int, here: int, seconds: float) -> str:
        """Beside the progress bar: loss, speed, the best validation so far, and how long the run still takes."""
        left_s = ((self.epochs - epoch) * steps - self.step) * self.batch * seconds / here
        best = f", best val {self.best_top1:.4f}" if self.best_top1 >= 0 else ""
        return (
            f"loss {self.loss_sum / self.seen:.3f}, {here / seconds:.0f} images/s{best}, run {left_s / 60:.0f} min left"
        )

    def _stop_asked(self, interruption: Interruption) -> bool:
        """Whether any process was interrupted: all leave after the same step, since none can go on alone."""
        return any(self.world.gather(interruption.asked))

    def _leave(self, interruption: Interruption) -> None:
        self.reporter.say(
            f"stopped; go on with: edgecnn train {shlex.quote(str(self.data.root))} --out "
            f"{shlex.quote(str(self.run.root))} --resume"
        )
        interruption.act()

    def _validate(self, val: Image) -> tuple[float, float]:
        """NLL and top-1 on the validation images, in 32-bit floats; the same in every process."""
        p = torch.from_numpy(self._logits(val)).softmax(1).numpy()
        if not np.isfinite(p).all():
            raise TrainingError(self._diverged("the weights are no numbers any more"))
        found = compute_metrics(p, self._truth().tolist(), self.data.labels)
        return found.nll, found.top1

    def _logits(self, pixels: Image) -> NDArray[np.float32]:
        """``[N, C]`` of the evaluated network; each process answers its part, and all get the whole."""
        model, size = TorchBackend(self.learner.evaluated, self.manifest), self.options.batch
        mine = range(self.world.rank * size, len(pixels), self.batch)
        parts = self.world.gather({i: model.logits(np.asarray(pixels[i : i + size])) for i in mine})
        answers = {i: rows for part in parts for i, rows in part.items()}
        return np.concatenate([answers[i] for i in sorted(answers)])

    def _keep_if_best(self, nll: float, top1: float) -> None:
        """The higher top-1; between equals the lower NLL."""
        self.since_best += 1
        if (top1, -nll) > (self.best_top1, -self.best_nll):
            self.best_top1, self.best_nll, self.since_best = top1, nll, 0
            if self.world.leads:
                save_checkpoint(self.run.best, self._checkpoint(None))

    def _save_last(self) -> None:
        if self.world.leads:
            save_last(self.run.last, self.run.previous, self._checkpoint(self._progressed()))
        self.saved = time.monotonic()

    def _checkpoint(self, progressed: Progressed | None) -> Checkpoint:
        return Checkpoint(
            self.setup.spec.name, self.manifest, self.data.record, cpu_weights(self.learner.evaluated), progressed
        )

    def _progressed(self) -> Progressed:
        return Progressed(
            recipe=_plain(asdict(self.setup.recipe)),
            options=_plain(asdict(self.options)),
            learner=self.learner.state(),
            history=tuple(self.history),
            best_top1=self.best_top1,
            best_nll=self.best_nll,
            since_best=self.since_best,
            seconds=self._seconds(),
            planned_epochs=self.epochs,
            step=self.step,
            loss_sum=self.loss_sum,
            seen=self.seen,
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _finish(self, val: Image) -> TrainResult:
        """The best checkpoint, calibrated and evaluated; the first process writes."""
        result = None
        if self.world.leads:
            done = FinalizeContext(
                self.options, self.setup, self.run, self.data, self.manifest, tuple(self.history), self.reporter
            )
            result = finalize(done, self.network, val, self._exact_pixels, self._seconds)
        agreed = self.world.agree(result)
        assert agreed is not None
        return agreed

    def _diverged(self, what: str) -> str:
        """The message, with the newest step; its images are written to a file, since a line does not hold them."""
        advice = f"begin again with a lower --lr (it is {self.setup.recipe.lr:g})"
        if self.newest is None:
            return f"{what}; {advice}"
        epoch, step, indices = self.newest
        train = self.data.of("train")
        files = [str(train[i].path) for i in indices]
        write_text(self.run.diverged, "".join(f"{file}\n" for file in files))
        shown = ", ".join(files[:3]) + (f" … all {len(files)} in {self.run.diverged}" if len(files) > 3 else "")
        return f"{what} in epoch {epoch + 1}, step {step + 1} (images {shown}); {advice}, and look at these images"


def _first(batches: Iterator[TrainingBatch], count: int) -> Iterator[TrainingBatch]:
    for _, batch in zip(range(count), batches, strict=False):
        yield batch


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Paths as text: a checkpoint holds plain values alone."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
