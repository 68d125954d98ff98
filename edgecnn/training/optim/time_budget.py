"""Plans how many epochs fit into the time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.training.learner import Batch, BatchLearner
from edgecnn.training.optim.progressive_size import ENOUGH, EpochPlan, plan_sizes
from edgecnn.training.options import TrainOptions
from edgecnn.training.recipe import Recipe

__all__ = ["Plan", "plan_epochs"]

_TIMED_STEPS = 3
_KEPT_FOR_THE_END = 0.1  # of a time budget: calibration, evaluation and the report
_AUGMENTATION = 1.05  # a step with the loader at its side, against one alone (measured on two cores)


@dataclass(frozen=True)
class Plan:
    """The number of epochs that fit, how many of them come first on smaller images, and the measured time."""

    epochs: int
    small_epochs: int
    step_s: float  # at the full size


def plan_epochs(
    learner: BatchLearner[Batch],
    batch: Batch,
    steps: int,
    validation_s: float,
    left_s: float,
    recipe: Recipe,
    options: TrainOptions,
    small_batch: Callable[[], Batch] | None = None,
    agree: Callable[[EpochPlan], EpochPlan] = lambda plan: plan,
) -> Plan:
    """Plans the epochs from the measured time of steps that do not change the network.

    Args:
        learner: its weights and running statistics stay as they are.
        batch: what a step looks like.
        steps: of an epoch.
        validation_s: after each epoch, measured.
        left_s: until the run must have ended.
        recipe: how many epochs are right without a budget; three times as many are the most.
        options: asked epochs are never exceeded.
        small_batch: makes one of smaller images, asked where few epochs fit at the full size; None: there are none.
        agree: makes the plan of the leading process that of all: each step waits for all processes, so that all have
            to time the same ones.
    """
    step_s = _time_a_step(learner, batch) * _AUGMENTATION
    epoch_s = step_s * steps + validation_s
    for_epochs_s = left_s - 60 * (options.time_budget_min or 0) * _KEPT_FOR_THE_END
    found = agree(EpochPlan(int(for_epochs_s / epoch_s)))
    if small_batch and found.epochs < (wanted := min(recipe.epochs, ENOUGH)):
        small_s = _time_a_step(learner, small_batch()) * _AUGMENTATION * steps + validation_s
        found = plan_sizes(wanted, for_epochs_s, epoch_s, small_s)
    least = 0 if recipe.head_first else 1
    most = recipe.epochs if options.epochs is not None else 3 * recipe.epochs
    return Plan(max(least, min(found.epochs, most)), found.small, step_s)


def _time_a_step(learner: BatchLearner[Batch], batch: Batch) -> float:
    buffers = [b.clone() for b in learner.network.buffers()]  # batch-norm's running statistics
    times = []
    for _ in range(_TIMED_STEPS + 1):
        start = time.monotonic()
        learner.backward(batch)
        times.append(time.monotonic() - start)
    for buffer, before in zip(learner.network.buffers(), buffers, strict=True):
        buffer.copy_(before)
    learner.optimizer.zero_grad(set_to_none=True)
    return min(times[1:])
