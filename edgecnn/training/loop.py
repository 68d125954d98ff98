"""Training, from a folder of images to a run folder: the page to read first.

What is trained, images or clips, is a :class:`edgecnn.training.task.TrainingTask`. The epochs are in
:mod:`edgecnn.training.run.epoch_loop`, where the run stands in :mod:`edgecnn.training.run.loop_state`, what it saves in
:mod:`edgecnn.training.run.run_checkpoints`.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import nn

from edgecnn._version import __version__
from edgecnn.errors import CheckpointError
from edgecnn.manifest import Manifest, TrainingRecord, UnknownRule
from edgecnn.progress import Reporter, Silent
from edgecnn.training.images.image_task import ImageTask
from edgecnn.training.learner import BatchLearner, cpu_weights
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import ModelSpec, find_model
from edgecnn.training.optim.distributed import World, joined
from edgecnn.training.optim.malloc import kept_memory
from edgecnn.training.options import TrainOptions
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint, load_last, save_checkpoint
from edgecnn.training.run.epoch_loop import EpochLoop
from edgecnn.training.run.loop_state import LoopState
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.run.resumed_options import check_resumable, resumed_options
from edgecnn.training.run.run_checkpoints import RunCheckpoints
from edgecnn.training.run.run_folder import RunFolder, open_run, write_split_csv
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
    state = LoopState(setup.recipe.epochs, started, options.small_epochs or 0)
    if resumed:
        _resume(resumed, options, learner, state, run, task, reporter)
    if world.leads:
        write_split_csv(run.split, task.examples)
    checkpoints = RunCheckpoints(run, manifest, task.examples.record, writes=world.leads)
    loop = EpochLoop(
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


def _finish(loop: EpochLoop, network: ImageClassifier) -> TrainResult:
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
