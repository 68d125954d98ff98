"""The checkpoints that a run writes: best.pt and last.pt."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import CheckpointError, InputNotFoundError
from edgecnn.manifest import Manifest
from edgecnn.training.learner import BatchLearner, cpu_weights
from edgecnn.training.options import TrainOptions
from edgecnn.training.run.checkpoint import Checkpoint, Progressed, load_checkpoint, save_checkpoint, save_last
from edgecnn.training.run.loop_state import LoopState
from edgecnn.training.run.run_folder import RunFolder
from edgecnn.training.setup import Setup

__all__ = ["RunCheckpoints"]

_SAVE_EVERY_S = 180.0  # within an epoch: the most work that a power cut may cost


class RunCheckpoints:
    """Writes the checkpoints of one run."""

    def __init__(self, run: RunFolder, manifest: Manifest, record: SplitRecord, *, writes: bool) -> None:
        """``writes`` is False in every process but one."""
        self._run, self._manifest, self._record, self._writes = run, manifest, record, writes
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether last.pt should be written within an epoch."""
        return time.monotonic() - self._saved > _SAVE_EVERY_S

    def save_best(self, setup: Setup, learner: BatchLearner[Any]) -> None:
        """Raises :class:`OutputError`."""
        if self._writes:
            save_checkpoint(self._run.best, self._checkpoint(setup, learner, None))

    def save_last(self, options: TrainOptions, setup: Setup, learner: BatchLearner[Any], state: LoopState) -> None:
        """Raises :class:`OutputError`."""
        if self._writes:
            progressed = _progressed(options, setup, learner, state)
            save_last(self._run.last, self._run.previous, self._checkpoint(setup, learner, progressed))
        self._saved = time.monotonic()

    def why_best_is_lost(self) -> str | None:
        """What is wrong with best.pt; None: nothing, or not this process's to say."""
        if not self._writes:
            return None
        try:
            load_checkpoint(self._run.best)
        except (CheckpointError, InputNotFoundError) as error:
            return str(error)
        return None

    def _checkpoint(self, setup: Setup, learner: BatchLearner[Any], progressed: Progressed | None) -> Checkpoint:
        return Checkpoint(
            model=setup.spec.name,
            manifest=self._manifest,
            record=self._record,
            weights=cpu_weights(learner.evaluated),
            widths=setup.spec.widths,
            progressed=progressed,
        )


def _progressed(options: TrainOptions, setup: Setup, learner: BatchLearner[Any], state: LoopState) -> Progressed:
    return Progressed(
        recipe=_plain(asdict(setup.recipe)),
        options=_plain(asdict(options)),
        learner=learner.state(),
        history=tuple(state.history),
        best_top1=state.best_top1,
        best_nll=state.best_nll,
        best_macro_f1=state.best_macro_f1,
        since_best=state.since_best,
        seconds=state.seconds,
        planned_epochs=state.epochs,
        small_epochs=state.small_epochs,
        step=state.step,
        loss_sum=state.loss_sum,
        seen=state.seen,
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Paths as text: a checkpoint holds plain values alone."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
