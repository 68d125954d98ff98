"""A small data folder and one trained run, made once for all tests of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from copies_once import look_for_copies_once
from plots_left_out import leave_out_plots
from shapes import write_shapes

from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult

IMAGES_A_CLASS = 20


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks train ten times faster so on shared cores, and as many threads here as in a subprocess make runs comparable."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _short_trainings() -> None:
    look_for_copies_once()
    leave_out_plots()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty circles and twenty squares of 40 pixels; not to be written to."""
    return write_shapes(tmp_path_factory.mktemp("images"), IMAGES_A_CLASS, side=40, first_seed=100)


@pytest.fixture(scope="session")
def small_options(images: Path) -> Callable[..., TrainOptions]:
    """Options of a run that takes a second or two; what is given replaces a default."""

    def options(out: Path, **changes: object) -> TrainOptions:
        defaults = {
            "data": images,
            "model": "resnet8",
            "weights": "none",
            "epochs": 3,
            "batch": 8,
            "device": "cpu",
            "workers": 2,
        }
        return TrainOptions(out=out, **{**defaults, **changes})  # type: ignore[arg-type]

    return options


@pytest.fixture(scope="session")
def trained(small_options: Callable[..., TrainOptions], tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run of three epochs with train, val and test; not to be written to."""
    return train(small_options(tmp_path_factory.mktemp("trained") / "run", test_split=0.1))
