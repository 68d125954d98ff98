"""The epochs of a run: training, validation, what is saved, and why it ends."""

from __future__ import annotations

import math
import shlex
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from edgecnn.atomic import write_text
from edgecnn.errors import Stopped, TrainingError
from edgecnn.evaluation.metrics import Metrics
from edgecnn.image_size import ImageSize, height_width, show_image_size
from edgecnn.manifest import Manifest
from edgecnn.progress import Progress, Reporter
from edgecnn.training.learner import BatchLearner
from edgecnn.training.optim.progressive_size import plan_sizes
from edgecnn.training.optim.schedule import learning_rate
from edgecnn.training.optim.time_budget import plan_epochs
from edgecnn.training.options import TrainOptions
from edgecnn.training.run.history import EpochRow, write_results_csv
from edgecnn.training.run.interruption import Interruption
from edgecnn.training.run.loop_state import LoopState
from edgecnn.training.run.run_checkpoints import RunCheckpoints
from edgecnn.training.run.run_folder import RunFolder
from edgecnn.training.run.tensorboard_log import TensorBoardLog
from edgecnn.training.setup import Setup
from edgecnn.training.task import TrainingTask

__all__ = ["EpochLoop"]


def _summary(row: EpochRow, *, best: bool) -> str:
    """The figures of a finished epoch, for its line."""
    return f"loss {row.train_loss:.2f}, val {row.val_top1:.1%}{' (best)' if best else ''}"


@dataclass(frozen=True, kw_only=True)
class EpochLoop:
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
            state.epochs, state.small_epochs = world.agree(self._plan())
        self.learner.begin()
        log = (
            TensorBoardLog(self.run.tensorboard, self.reporter, state.history)
            if self.options.tensorboard and world.leads
            else None
        )
        with Interruption() as interruption, log or nullcontext():
            while (epoch := len(state.history)) < state.epochs:
                start = time.monotonic()
                progress = self.reporter.stage(f"epoch {epoch + 1} of {state.epochs}")
                row, validated = self._epoch(epoch, interruption, progress)
                state.add_epoch(row)
                self._grow_in_time(row, time.monotonic() - start)
                best = self.keep_if_best(validated)
                progress(self.task.steps, self.task.steps, _summary(row, best=best))
                self.save_last()
                if world.leads:
                    write_results_csv(self.run.results, state.history)
                if log:
                    log.add(row)
                if self._stop_asked(interruption):
                    self._leave(interruption)
                why = world.agree(self._why_to_end(row, time.monotonic() - start))
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

    def _plan(self) -> tuple[int, int]:
        """How many epochs fit into what is left of the time budget, and how many of them are small."""
        assert self.options.time_budget_min is not None
        self.reporter.stage("timing a few steps")(0, 1)
        start = time.monotonic()
        self.validate()
        validation_s = time.monotonic() - start
        left_s = 60 * self.options.time_budget_min - (time.monotonic() - self.state.started)
        batch = next(self.task.training_batches(0))
        small = self.setup.small_imgsz
        planned = plan_epochs(
            self.learner,
            batch,
            self.task.steps,
            validation_s,
            left_s,
            self.setup.recipe,
            self.options,
            (lambda: next(self.task.small_batches(0))) if small else None,
            self.task.world.agree,
        )
        first = (
            f", the first {planned.small_epochs} at {show_image_size(small)} pixels"
            if small and planned.small_epochs
            else ""
        )
        self.reporter.say(
            f"{planned.step_s * 1e3:.0f} ms a step: {planned.epochs} epochs fit into "
            f"{self.options.time_budget_min:g} minutes{first}"
        )
        return planned.epochs, planned.small_epochs

    def _grow_in_time(self, row: EpochRow, epoch_s: float) -> None:
        """Plans anew where another small epoch and those at the full size would not be over in time.

        A smaller image in place of one at the full size costs less than an epoch that is left out.
        """
        state, budget_min = self.state, self.options.time_budget_min
        if budget_min is None or state.small_epochs <= row.epoch:
            return
        full_s = self._seconds_of(state.small_epochs, row, epoch_s)
        left_s = 60 * budget_min - (time.monotonic() - state.started)
        if not self.task.world.agree(epoch_s + (state.epochs - state.small_epochs) * full_s > left_s):
            return
        plan = self.task.world.agree(plan_sizes(state.epochs - row.epoch, left_s, full_s, epoch_s))
        state.epochs, small = row.epoch + max(1, plan.epochs), row.epoch + plan.small
        state.small_epochs = small
        self.reporter.say(
            f"epochs take longer than planned: {state.epochs} in all, the first {small} at {row.imgsz} pixels"
        )

    def _seconds_of(self, epoch: int, row: EpochRow, epoch_s: float) -> float:
        """What an epoch will take, after one that took so long with validation and saving."""
        return row.seconds * self._pixels(epoch) / self._pixels(row.epoch - 1) + epoch_s - row.seconds

    def _rate_at(self, epoch: int, step: int) -> float:
        """The step of the schedule that sets the learning rate: it follows the pixels seen, not the steps.

        Else the rate would be nearly nothing in the last epoch, which has to fit the network to the full size: solar
        cells lost 1.3 points by that. Where all images have one size it is the step itself, to the bit.
        """
        steps, epochs, small = self.task.steps, self.state.epochs, self.state.small_epochs
        first, last = self._pixels(0), self._pixels(epochs - 1)
        before = first * min(epoch, small) + last * max(0, epoch - small)  # pixels of one image in all those epochs
        whole = first * small + last * (epochs - small)
        return (before * steps + self._pixels(epoch) * step) * epochs / whole

    def _pixels(self, epoch: int) -> int:
        """Of an image, which the time of a step is proportional to."""
        return math.prod(height_width(self._small_imgsz(epoch) or self.setup.imgsz))

    def _small_imgsz(self, epoch: int) -> ImageSize | None:
        """Size of the images of a small epoch; None: of one at the full size."""
        return self.setup.small_imgsz if epoch < self.state.small_epochs else None

    def _why_to_end(self, row: EpochRow, epoch_s: float) -> str | None:
        """The plan is an estimate, and machines are shared: another epoch may end too late."""
        budget_min, patience = self.options.time_budget_min, self.options.patience
        next_s = self._seconds_of(row.epoch, row, epoch_s)
        if budget_min is not None and time.monotonic() - self.state.started + next_s > 60 * budget_min:
            return "another would outlast the time budget"
        if patience is not None and self.state.since_best >= patience:
            return f"{self.state.since_best} epochs without a better one"
        return None

    def _epoch(self, epoch: int, interruption: Interruption, progress: Progress) -> tuple[EpochRow, Metrics]:
        """Trains on every image once and validates."""
        state, steps = self.state, self.task.steps
        start, here = time.monotonic(), 0
        small = self._small_imgsz(epoch)
        batches = self.task.small_batches if small else self.task.training_batches
        for step, batch in enumerate(batches(epoch, first=state.step), state.step):
            value = self.learner.step(batch, epoch * steps + step, state.epochs * steps, self._rate_at(epoch, step))
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
            lr=learning_rate(self.setup.recipe, self._rate_at(epoch, steps - 1), state.epochs * steps),
            seconds=seconds,
            images_per_s=here / seconds,
            imgsz=show_image_size(small or self.setup.imgsz),
        )
        return row, validated

    def _standing(self, epoch: int, here: int, seconds: float) -> str:
        """Beside the progress bar: loss, speed, the best validation so far, and how long the run still takes."""
        state = self.state
        steps = self.task.steps
        later = sum(self._pixels(one) for one in range(epoch + 1, state.epochs)) / self._pixels(epoch)  # epochs as this
        left_s = (steps - state.step + later * steps) * self.task.step_examples * seconds / here
        best = f", best val {state.best_top1:.4f}" if state.best_top1 >= 0 else ""
        speed = f"{here / seconds:.0f} {self.task.nouns.examples}/s"
        return f"loss {state.mean_loss:.3f}, {speed}{best}, run {left_s / 60:.0f} min left"

    def _stop_asked(self, interruption: Interruption) -> bool:
        """Whether any process was interrupted: all leave after the same step, since none can go on alone."""
        return any(self.task.world.gather(interruption.asked))

    def _leave(self, interruption: Interruption) -> None:
        """Raises what the signal raises, with the line that says how to continue."""
        data, out = (shlex.quote(str(folder)) for folder in (self.task.examples.root, self.run.root))
        how = f"continue with: edgecnn train {data} --out {out} --resume"
        try:
            interruption.act()
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(how) from stop
        except SystemExit as stop:
            if not self.task.world.leads:
                raise
            raise Stopped(stop.code, how) from stop

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
