"""Runs whose first epochs have smaller images: when they are planned, and what is recorded of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_outputs import Listening, rows_of

from edgecnn.errors import UsageError
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.learner import Learner
from edgecnn.training.loop import train
from edgecnn.training.optim import progressive_size, time_budget
from edgecnn.training.optim.distributed import ALONE
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.run.epoch_loop import EpochLoop
from edgecnn.training.run.history import EpochRow
from edgecnn.training.run.loop_state import LoopState
from edgecnn.training.setup import resolve_options

Options = Callable[..., TrainOptions]


@pytest.fixture
def options(
    small_options: Options, trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainOptions]:
    """Fine-tuning at 56 pixels, whose small epochs have 32."""
    monkeypatch.setattr(progressive_size, "_LEAST_SIDE", 32)

    def made(**changes: object) -> TrainOptions:
        return small_options(
            tmp_path / "run", **{"weights": trained.best_checkpoint, "imgsz": 56, "epochs": None, **changes}
        )

    return made


def test_a_time_budget_too_short_for_the_recipe_begins_with_smaller_images_and_says_so(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch of four steps takes 420 s at 56 pixels and 126 s at 32: 1 and 3 of them fit into 18 minutes."""
    seen: list[int] = []
    step = Learner.step

    def watched(self: Learner, batch: TrainingBatch, at: int, steps: int, rate_at: float) -> float:
        seen.append(batch.images.shape[1])
        return step(self, batch, at, steps, rate_at)

    monkeypatch.setattr(Learner, "step", watched)
    monkeypatch.setattr(time_budget, "_time_a_step", lambda _, batch: {56: 100.0, 32: 30.0}[batch.images.shape[1]])
    said: list[str] = []
    result = train(options(time_budget_min=20), Listening(said))
    assert [line for line in said if line.endswith(": 4 epochs fit into 20 minutes, the first 3 at 32 pixels")]
    assert seen == [32] * 3 * 4 + [56] * 4
    run = Path(result.run_dir)
    assert [row["imgsz"] for row in rows_of(run / "results.csv")] == ["32"] * 3 + ["56"]
    assert load_checkpoint(run / "weights" / "best.pt").manifest.input.height == 56
    report = (run / "report.html").read_text()
    assert "transfer at 32 pixels from epoch 1, transfer at 56 pixels from epoch 4" in report
    assert "--epochs 4 --small-epochs 3 " in report


def test_where_all_epochs_fit_none_is_small(options: Options) -> None:
    result = train(options(epochs=1, time_budget_min=30))
    assert [row["imgsz"] for row in rows_of(Path(result.run_dir) / "results.csv")] == ["56"]
    assert "--small-epochs" not in (Path(result.run_dir) / "report.html").read_text()


@pytest.mark.parametrize(("budget_min", "left"), [(2, (3, 2)), (2.5, (5, 4)), (3, (6, 4)), (1, (2, 1))])
def test_small_epochs_that_take_too_long_take_the_place_of_those_at_the_full_size(
    budget_min: float, left: tuple[int, int], options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four small ones and two were planned. The first took 20 s; another and the two at the full size would end after 159 s.

    Without time for one at the full size, that one is still trained: the network will see such images.
    """
    said: list[str] = []
    monkeypatch.setattr(time, "monotonic", lambda: 25.0)
    state = LoopState(epochs=6, started=0.0, small_epochs=4)
    loop = _loop(options(time_budget_min=budget_min), state, said)
    row = EpochRow(1, "transfer", 0.5, 0.5, 0.9, 1e-3, seconds=18.0, images_per_s=1.0, imgsz="32")
    loop._grow_in_time(row, 20.0)
    assert (state.epochs, state.small_epochs) == left
    assert bool(said) == (left != (6, 4))


def _loop(options: TrainOptions, state: LoopState, said: list[str]) -> EpochLoop:
    """With nothing but what says when and how epochs are run."""
    nothing: Any = None
    task: Any = SimpleNamespace(world=ALONE, steps=4)
    return EpochLoop(
        options=options,
        setup=resolve_options(options),
        run=nothing,
        task=task,
        reporter=Listening(said),
        manifest=nothing,
        learner=nothing,
        state=state,
        checkpoints=nothing,
    )


def test_the_learning_rate_follows_the_pixels_and_without_small_epochs_the_steps_to_the_bit(options: Options) -> None:
    places = [(epoch, step) for epoch in range(4) for step in range(4)]
    loop = _loop(options(epochs=4), LoopState(epochs=4, started=0.0), [])
    assert [loop._rate_at(*place) for place in places] == list(range(16))
    loop = _loop(options(epochs=4), LoopState(epochs=4, started=0.0, small_epochs=3), [])
    found = [loop._rate_at(*place) for place in places]
    assert found == sorted(found)
    share = 32**2 / 56**2
    assert found[12] == pytest.approx(16 * 3 * share / (3 * share + 1))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"small_epochs": 7}, "--small-epochs 7: expected 0 to 6"),
        ({"small_epochs": 1, "preset": "scratch"}, "is for --preset transfer"),
        ({"small_epochs": 1, "imgsz": 24}, "is for --preset transfer"),
        ({"small_epochs": 1, "time_budget_min": 5}, "--time-budget plans them"),
    ],
)
def test_small_epochs_that_cannot_be_are_refused(options: Options, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resolve_options(replace(options(), **changes))
