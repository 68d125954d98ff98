"""Training, from a folder of images to a run folder: the page to read first.

What is trained, images or clips, is a :class:`edgecnn.training.task.TrainingTask`. Where the run stands is in
:mod:`edgecnn.training.run.loop_state`, what it saves in :mod:`edgecnn.training.run.run_checkpoints`.
"""

from __future__ import annotations

import math
import shlex
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import nn

from edgecnn._version import __version__
from edgecnn.atomic import write_text
from edgecnn.errors import CheckpointError, TrainingError
from edgecnn.evaluation.metrics import Metrics
from edgecnn.manifest import Manifest, TrainingRecord, UnknownRule
from edgecnn.progress import Progress, Reporter, Silent
from edgecnn.training.images.image_task import ImageTask
from edgecnn.training.learner import BatchLearner, cpu_weights
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import ModelSpec, find_model
from edgecnn.training.optim.distributed import World, joined
from edgecnn.training.optim.malloc import kept_memory
from edgecnn.training.optim.schedule import learning_rate
from edgecnn.training.optim.time_budget import plan_epochs
from edgecnn.training.options import TrainOptions
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint, load_last, save_checkpoint
from edgecnn.training.run.history import EpochRow, write_results_csv
from edgecnn.training.run.interruption import Interruption
from edgecnn.training.run.loop_state import LoopState
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.run.resumed_options import check_resumable, resumed_options
from edgecnn.training.run.run_checkpoints import RunCheckpoints
from edgecnn.training.run.run_folder import RunFolder, open_run, write_split_csv
from edgecnn.training.run.tensorboard_log import TensorBoardLog
from edgecnn.training.setup import Setup, resolve_options
from edgecnn.training.task import FinishedRun, TrainingTask

__all__ = ["train"]


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
        TrainingError: the loss, or a weight, is NaN or infinite.
        OutputError: the run folder cannot be written; what was written before is whole.
    """
    setup = resolve_options(options, network)  # before anything is made, so that a wrong option leaves nothing behind
    started = time.monotonic()
    with (
        joined(cuda=setup.device.type == "cuda") as world,
        kept_memory() if setup.device.type == "cpu" else nullcontext(),
    ):
        heard = reporter if reporter and world.leads else Silent()
        opened = open_run(options.out, resume=options.resume, force=options.force, say=heard.say)
        with opened if world.leads else nullcontext(RunFolder(Path())) as mine:
            run = world.agree(mine)
            resumed = None
            if options.resume:
                # Other machines may not have the run folder
                resumed = world.agree(load_last(run.last, run.previous, heard) if world.leads else None)
                assert resumed is not None
                options, setup = _as_begun(options, resumed, run, network)
                heard.say(f"options of the run: {repeat_command(options, setup, setup.recipe.epochs)}")
            task = _prepare(options, setup, run, heard, world)
            return _train(options, setup, run, task, heard, resumed, started)


def _prepare(options: TrainOptions, setup: Setup, run: RunFolder, reporter: Reporter, world: World) -> TrainingTask:
    if options.temporal is not None:
        from edgecnn.training.temporal.clip_task import ClipTask  # noqa: PLC0415  # images need none of it

        return ClipTask.prepare(options, setup, run.root, reporter, world)
    return ImageTask.prepare(options, setup, _here(run.root), reporter, world)


def _here(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is: another machine has no run folder, but needs its disk."""
    return next(found for found in (folder, *folder.parents) if found.is_dir())


def _as_begun(
    options: TrainOptions, resumed: Checkpoint, run: RunFolder, network: nn.Module | ModelSpec | None
) -> tuple[TrainOptions, Setup]:
    """A resumed run goes on with the options that it was begun with, but for those that may change."""
    if resumed.progressed is None:
        raise CheckpointError(
            f"{run.last}: holds weights alone, so there is nothing to resume; start from it with --weights {run.last}"
        )
    if options.epochs is not None:
        check_resumable(options.epochs, len(resumed.progressed.history))
    begun = resumed_options(options, resumed.progressed.options, run)
    return begun, resolve_options(begun, network)


def _train(
    options: TrainOptions,
    setup: Setup,
    run: RunFolder,
    task: TrainingTask,
    reporter: Reporter,
    resumed: Checkpoint | None,
    started: float,
) -> TrainResult:
    """The run, once its data are prepared."""
    world = task.world
    torch.manual_seed(options.seed)
    manifest = _manifest(options, setup, run, task)
    built, setup, unpruned = _beginning(options, setup, run, task, manifest, reporter, resumed)
    network: ImageClassifier = built.to(setup.device, memory_format=built.memory_format)  # type: ignore[call-overload]
    learner = task.learner(network, options, setup)
    learner.check_batch(task.least_images)
    if options.force and not options.resume and world.leads:
        run.clear()  # not before: a run that cannot begin must not cost the earlier one
    if unpruned and not resumed and world.leads:
        save_checkpoint(run.unpruned, unpruned)
    state = LoopState(setup.recipe.epochs, started)
    if resumed:
        _resume(resumed, options, learner, state, run, task, reporter)
    if world.leads:
        write_split_csv(run.split, task.examples)
    checkpoints = RunCheckpoints(run, manifest, task.examples.record, writes=world.leads)
    loop = _Loop(
        options=options,
        setup=setup,
        run=run,
        task=task,
        reporter=reporter,
        manifest=manifest,
        learner=learner,
        state=state,
        checkpoints=checkpoints,
    )
    if resumed:
        loop.replace_lost_best()
    elif setup.recipe.head_first:
        task.fit_classifier(network, setup, reporter)
        loop.keep_if_best(loop.validate())
        loop.save_last()
    elif options.prune is not None:
        begun = loop.validate()
        loop.keep_if_best(begun)
        loop.save_last()
        reporter.say(f"before fine-tuning: val {begun.top1:.1%}")
    if options.find_lr and not resumed:
        lr = task.suggest_lr(network, setup, reporter)
        options = replace(options, lr=lr, find_lr=False)  # so that a resumed run goes on with it
        setup = replace(setup, recipe=replace(setup.recipe, lr=lr))
        learner = task.learner(network, options, setup)
        loop = replace(loop, options=options, setup=setup, learner=learner)
    if state.epochs > len(state.history):
        loop.run_epochs()
    return _finish(loop, network)


def _beginning(
    options: TrainOptions,
    setup: Setup,
    run: RunFolder,
    task: TrainingTask,
    manifest: Manifest,
    reporter: Reporter,
    resumed: Checkpoint | None,
) -> tuple[ImageClassifier, Setup, Checkpoint | None]:
    """The network that the run begins with, its setup, and the network that was pruned, if one was."""
    if options.prune is None:
        return task.build_network(setup), setup, None
    if resumed:
        unpruned = load_checkpoint(run.unpruned)
        setup = replace(setup, spec=narrowed(find_model(setup.spec.name), resumed.widths))
        network = _new(task, setup)  # its weights are resumed
    else:
        full = task.build_network(setup).to(setup.device)
        pruned, pruned_setup = task.prune(full, options.prune, setup, reporter)
        weights, widths = cpu_weights(full), setup.spec.widths
        unpruned = Checkpoint(setup.spec.name, manifest, task.examples.record, weights, widths=widths)
        setup = pruned_setup
        # Built as in a resumed run: with the dropout of the recipe, which the pruned network has not
        network = _new(task, setup)
        network.load_state_dict(pruned.state_dict())
    task.learn_from(unpruned)
    return network, setup, unpruned


def _new(task: TrainingTask, setup: Setup) -> ImageClassifier:
    """The network with new weights."""
    return task.build_network(replace(setup, start_from=None, pretrained=False))


def _finish(loop: _Loop, network: ImageClassifier) -> TrainResult:
    """Writes the report and the results, in the process that leads; every process returns the same."""
    world, result = loop.task.world, None
    if world.leads:
        done = FinishedRun(
            options=loop.options,
            setup=loop.setup,
            run=loop.run,
            manifest=loop.manifest,
            history=tuple(loop.state.history),
            reporter=loop.reporter,
        )
        result = loop.task.finalize(done, network, lambda: loop.state.seconds)
    agreed = world.agree(result)
    assert agreed is not None
    return agreed


def _manifest(options: TrainOptions, setup: Setup, run: RunFolder, task: TrainingTask) -> Manifest:
    return Manifest(
        labels=task.examples.labels,
        input=setup.input,
        preprocess=setup.preprocess,
        normalization=setup.normalization,
        unknown=UnknownRule(),
        training=TrainingRecord(
            model=setup.spec.name, run=run.root.name, data_sha256=task.examples.sha256, val_top1=None, seed=options.seed
        ),
        created_by=f"edgecnn {__version__}",
        opencv=cv2.__version__,
        temporal=task.temporal,
    )


def _resume(
    checkpoint: Checkpoint,
    options: TrainOptions,
    learner: BatchLearner[Any],
    state: LoopState,
    run: RunFolder,
    task: TrainingTask,
    reporter: Reporter,
) -> None:
    progressed, data = checkpoint.progressed, task.examples
    assert progressed is not None  # _as_begun saw to it
    if checkpoint.manifest.training.data_sha256 != data.sha256:
        table = "" if options.per_frame is None else f" with the labels of {options.per_frame}"
        raise CheckpointError(
            f"{data.root}{table}: not the data that {run.root} was begun with; give those, or begin another run"
        )
    learner.resume(checkpoint.weights, progressed.learner)
    state.resume(progressed, options.epochs if options.epochs != progressed.options["epochs"] else None)
    within = f", step {state.step}" if state.step else ""
    planned = progressed.planned_epochs
    changed = f"; planned were {planned}, the learning rate goes on as in a run of {state.epochs}"
    reporter.say(
        f"resuming {run.root} after epoch {len(state.history)} of {state.epochs}{within}"
        f"{changed if planned != state.epochs else ''}"
    )


def _summary(row: EpochRow, *, best: bool) -> str:
    """The figures of a finished epoch, for its line."""
    return f"loss {row.train_loss:.2f}, val {row.val_top1:.1%}{' (best)' if best else ''}"


@dataclass(frozen=True, kw_only=True)
class _Loop:
    """The epochs of a run. It changes the learner's weights and ``state``, nothing of its own."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    task: TrainingTask
    reporter: Reporter
    manifest: Manifest
    learner: BatchLearner[Any]
    state: LoopState
    checkpoints: RunCheckpoints

    def run_epochs(self) -> None:
        """Trains until the planned epochs are over, or something ends them sooner."""
        state, world = self.state, self.task.world
        if self.options.time_budget_min is not None and not state.history and not state.step:
            state.epochs = world.agree(self._plan())
        self.learner.begin()
        log = (
            TensorBoardLog(self.run.tensorboard, self.reporter, state.history)
            if self.options.tensorboard and world.leads
            else None
        )
        with Interruption() as interruption, log or nullcontext():
            for epoch in range(len(state.history), state.epochs):
                start = time.monotonic()
                progress = self.reporter.stage(f"epoch {epoch + 1} of {state.epochs}")
                row, validated = self._epoch(epoch, interruption, progress)
                state.add_epoch(row)
                best = self.keep_if_best(validated)
                progress(self.task.steps, self.task.steps, _summary(row, best=best))
                self.save_last()
                if world.leads:
                    write_results_csv(self.run.results, state.history)
                if log:
                    log.add(row)
                if self._stop_asked(interruption):
                    self._leave(interruption)
                why = world.agree(self._why_to_end(time.monotonic() - start))
                if why and epoch + 1 < state.epochs:
                    self.reporter.say(f"ending after epoch {epoch + 1} of {state.epochs}: {why}")
                    break

    def validate(self) -> Metrics:
        """Metrics of the evaluated weights. Raises :class:`TrainingError` where these are NaN or infinite."""
        found = self.task.validate(self.learner.evaluated, self.manifest)
        if found is None:
            raise TrainingError(self._diverged("the weights are NaN or infinite"))
        return found

    def keep_if_best(self, validated: Metrics) -> bool:
        """Writes best.pt if these are the best weights so far, and returns whether they are."""
        best = self.state.is_best(validated, self.options.best_by)
        if best:
            self.checkpoints.save_best(self.setup, self.learner)
        return best

    def save_last(self) -> None:
        """Writes last.pt."""
        self.checkpoints.save_last(self.options, self.setup, self.learner, self.state)

    def replace_lost_best(self) -> None:
        """A damaged best.pt would be found out at the end of the run.

        The weights gone on with take its place, until an epoch does better.
        """
        why = self.task.world.agree(self.checkpoints.why_best_is_lost())
        if why is None or self.state.best_top1 < 0:  # below 0: there was none yet
            return
        self.reporter.say(f"{why.split(';')[0]}; going on with the weights of last.pt as the best so far")
        self.state.forget_best()
        self.keep_if_best(self.validate())

    def _plan(self) -> int:
        """How many epochs fit into what is left of the time budget."""
        assert self.options.time_budget_min is not None
        self.reporter.stage("timing a few steps")(0, 1)
        start = time.monotonic()
        self.validate()
        validation_s = time.monotonic() - start
        left_s = 60 * self.options.time_budget_min - (time.monotonic() - self.state.started)
        batch = next(self.task.training_batches(0))
        planned = plan_epochs(
            self.learner, batch, self.task.steps, validation_s, left_s, self.setup.recipe, self.options
        )
        self.reporter.say(
            f"{planned.step_s * 1e3:.0f} ms a step: {planned.epochs} epochs fit into "
            f"{self.options.time_budget_min:g} minutes"
        )
        return planned.epochs

    def _why_to_end(self, epoch_s: float) -> str | None:
        """The plan is an estimate, and machines are shared: another epoch like the last may end too late."""
        budget_min, patience = self.options.time_budget_min, self.options.patience
        if budget_min is not None and time.monotonic() - self.state.started + epoch_s > 60 * budget_min:
            return "another would outlast the time budget"
        if patience is not None and self.state.since_best >= patience:
            return f"{self.state.since_best} epochs without a better one"
        return None

    def _epoch(self, epoch: int, interruption: Interruption, progress: Progress) -> tuple[EpochRow, Metrics]:
        """Trains on every image once and validates."""
        state, steps = self.state, self.task.steps
        start, here = time.monotonic(), 0
        for step, batch in enumerate(self.task.training_batches(epoch, first=state.step), state.step):
            value = self.learner.step(batch, epoch * steps + step, state.epochs * steps)
            state.add_step(epoch, step, batch, value)
            if not math.isfinite(value):
                raise TrainingError(self._diverged("the loss is NaN or infinite"))
            here += batch.whole
            progress(state.step, steps, self._standing(epoch, here, time.monotonic() - start))
            if self._stop_asked(interruption):
                self.save_last()
                self._leave(interruption)
            elif self.checkpoints.due:
                self.save_last()
        seconds = time.monotonic() - start
        validated = self.validate()
        row = EpochRow(
            epoch=epoch + 1,
            stage=self.setup.recipe.name,
            train_loss=state.mean_loss,
            val_loss=validated.nll,
            val_top1=validated.top1,
            val_macro_f1=validated.macro_f1,
            lr=learning_rate(self.setup.recipe, (epoch + 1) * steps - 1, state.epochs * steps),
            seconds=seconds,
            images_per_s=here / seconds,
        )
        return row, validated

    def _standing(self, epoch: int, here: int, seconds: float) -> str:
        """Beside the progress bar: loss, speed, the best validation so far, and how long the run still takes."""
        state = self.state
        steps_left = (state.epochs - epoch) * self.task.steps - state.step
        left_s = steps_left * self.task.step_examples * seconds / here
        best = f", best val {state.best_top1:.4f}" if state.best_top1 >= 0 else ""
        speed = f"{here / seconds:.0f} {self.task.nouns.examples}/s"
        return f"loss {state.mean_loss:.3f}, {speed}{best}, run {left_s / 60:.0f} min left"

    def _stop_asked(self, interruption: Interruption) -> bool:
        """Whether any process was interrupted: all leave after the same step, since none can go on alone."""
        return any(self.task.world.gather(interruption.asked))

    def _leave(self, interruption: Interruption) -> None:
        """Raises what the signal raises. The last line that a user reads says how to continue."""
        resume = (
            f"edgecnn train {shlex.quote(str(self.task.examples.root))} --out {shlex.quote(str(self.run.root))} "
            "--resume"
        )
        try:
            interruption.act()
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"continue with: {resume}") from stop
        except SystemExit:
            self.reporter.say(f"stopped; continue with: {resume}")
            raise

    def _diverged(self, what: str) -> str:
        """The message, with the newest step; its images are written to a file, since a line does not hold them."""
        advice = f"begin again with a lower --lr (it is {self.setup.recipe.lr:g})"
        newest = self.state.newest
        if newest is None:
            return f"{what}; {advice}"
        train = self.task.examples.of("train")
        examples = self.task.nouns.examples
        files = [str(train[i].path) for i in newest.indices]
        write_text(self.run.diverged, "".join(f"{file}\n" for file in files))
        shown = ", ".join(files[:3]) + (f" … all {len(files)} in {self.run.diverged}" if len(files) > 3 else "")
        return (
            f"{what} in epoch {newest.epoch + 1}, step {newest.step + 1} ({examples} {shown}); {advice}, and look at "
            f"these {examples}"
        )
