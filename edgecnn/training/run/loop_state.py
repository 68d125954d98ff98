"""Where a run stands: what its steps and epochs change, beside the weights."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import Metrics
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.options import BestBy
from edgecnn.training.run.checkpoint import Progressed
from edgecnn.training.run.history import EpochRow, rank

__all__ = ["LoopState", "Step"]


@dataclass(frozen=True)
class Step:
    """The newest step, for the message of a run that diverged."""

    epoch: int  # from 0
    step: int  # of the epoch, from 0
    indices: NDArray[np.int64]  # of its images in the training set


@dataclass
class LoopState:
    """The loop changes this; a checkpoint keeps it."""

    epochs: int  # planned
    started: float  # time.monotonic()
    small_epochs: int = 0  # so many of them come first, on smaller images
    history: list[EpochRow] = field(default_factory=list)  # one a finished epoch
    best_top1: float = -1.0  # below 0: no weights were validated yet
    best_macro_f1: float = -1.0
    best_nll: float = math.inf
    since_best: int = 0  # epochs
    seconds_before: float = 0.0  # of the run, before it was resumed
    # Of the epoch that is not finished
    step: int = 0
    loss_sum: float = 0.0
    seen: int = 0  # images
    newest: Step | None = None

    def resume(self, progressed: Progressed, epochs: int | None = None) -> None:
        """Goes on from a checkpoint, to so many epochs in all; None: as many as were planned."""
        self.history, self.epochs = list(progressed.history), progressed.planned_epochs if epochs is None else epochs
        self.small_epochs = progressed.small_epochs
        self.best_top1, self.best_nll = progressed.best_top1, progressed.best_nll
        self.best_macro_f1 = progressed.best_macro_f1
        self.since_best = progressed.since_best
        self.step, self.loss_sum, self.seen = progressed.step, progressed.loss_sum, progressed.seen
        self.seconds_before = progressed.seconds

    @property
    def seconds(self) -> float:
        """Spent on the run so far."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def mean_loss(self) -> float:
        """Over the images of the epoch so far."""
        return self.loss_sum / self.seen

    def add_step(self, epoch: int, step: int, batch: TrainingBatch, loss: float) -> None:
        """A step was taken."""
        self.newest = Step(epoch, step, batch.indices)
        self.loss_sum += loss * len(batch.indices)
        self.seen += len(batch.indices)
        self.step = step + 1

    def add_epoch(self, row: EpochRow) -> None:
        """An epoch is finished."""
        self.history.append(row)
        self.step, self.loss_sum, self.seen = 0, 0.0, 0

    def is_best(self, found: Metrics, by: BestBy) -> bool:
        """Whether weights just validated are the best so far, which is remembered."""
        self.since_best += 1
        now = rank(by, top1=found.top1, macro_f1=found.macro_f1, nll=found.nll)
        better = now > rank(by, top1=self.best_top1, macro_f1=self.best_macro_f1, nll=self.best_nll)
        if better:
            self.best_top1, self.best_macro_f1, self.best_nll = found.top1, found.macro_f1, found.nll
            self.since_best = 0
        return better

    def forget_best(self) -> None:
        """The best weights were lost."""
        self.best_top1, self.best_macro_f1, self.best_nll = -1.0, -1.0, math.inf
