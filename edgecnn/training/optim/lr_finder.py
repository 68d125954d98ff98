"""Learning rate finder: increases the rate each step until the loss diverges (Smith, arXiv 1506.01186)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecnn.progress import Progress
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.learner import Learner
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.setup import Setup

__all__ = ["LearningRates", "find_learning_rate"]

_LEAST, _MOST = 1e-7, 1.0
_STEPS = 100
_SMOOTHING = 0.9  # of the loss, from step to step
_BROKEN_OUT = 2.0  # the smoothed loss at so many times its least ends the search
_BACK = 10.0  # the rate is so much smaller than the one with the least loss: that one is already at the edge


@dataclass(frozen=True)
class LearningRates:
    """The rates and losses of the search, and the chosen rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]  # smoothed, of the same steps
    least_at: float
    suggestion: float


def find_learning_rate(
    network: ImageClassifier, setup: Setup, batches: Sequence[TrainingBatch], progress: Progress
) -> LearningRates:
    """Trains a copy of the network for at most a hundred steps.

    Repeats ``batches`` if there are fewer.
    """
    recipe = replace(setup.recipe, schedule="constant", warmup=0.0, average=0.0)
    rates: list[float] = []
    losses: list[float] = []
    smooth = 0.0
    learner = Learner(copy.deepcopy(network), replace(setup, recipe=recipe, compiled=False), seed=0)
    for step in range(_STEPS):
        rate = _LEAST * (_MOST / _LEAST) ** (step / (_STEPS - 1))
        learner.use(replace(recipe, lr=rate))
        value = learner.step(batches[step % len(batches)], step, _STEPS)
        smooth = _SMOOTHING * smooth + (1 - _SMOOTHING) * value
        shown = smooth / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(value) or (losses and shown > _BROKEN_OUT * min(losses)):
            break
        rates.append(rate)
        losses.append(shown)
        progress(step + 1, _STEPS, f"rate {rate:.1e}, loss {shown:.3f}")
    least_at = rates[losses.index(min(losses))] if losses else _LEAST
    return LearningRates(tuple(rates), tuple(losses), least_at, float(f"{least_at / _BACK:.2g}"))
