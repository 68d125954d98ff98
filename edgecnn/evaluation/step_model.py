"""A recurrent model that takes the frames of a clip one by one: a checkpoint or the session of a step file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image

__all__ = ["StepModel", "StepResult", "Stepper", "run_steps"]


class StepResult(Protocol):
    """The outputs after one step of N sources."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """``[N, C]``."""

    @property
    def state(self) -> NDArray[np.float32] | None:
        """``[N, S]``, for the next step."""

    @property
    def unknown_scores(self) -> NDArray[np.float32] | None:
        """``[N]``; None where the model has none."""


class StepModel(Protocol):
    """A recurrent model: a checkpoint or the session of a step file."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model."""

    def start(self, sources: int = 1, /) -> NDArray[np.float32]:
        """The state ``[N, S]`` before the first step."""

    def step(self, images: Image, state: NDArray[np.float32], /) -> StepResult:
        """Runs one step: uint8 ``[N, H, W, 3]`` RGB and the state ``[N, S]``."""


class Stepper:
    """Runs a recurrent model over the frames of one clip and carries the state from frame to frame."""

    def __init__(self, model: StepModel) -> None:
        self._model = model
        self._state = model.start(1)

    def step(self, frame: Image) -> StepResult:
        """The outputs (N = 1) after the next frame, uint8 ``[H, W, 3]`` RGB at the model's input size."""
        found = self._model.step(frame[None], self._state)
        assert found.state is not None, "every step returns a state"
        self._state = found.state
        return found


def run_steps(model: StepModel, frames: Iterable[Image]) -> Iterator[StepResult]:
    """Yields the outputs after each frame of one clip, uint8 ``[T, H, W, 3]`` RGB at the model's input size."""
    stepper = Stepper(model)
    for frame in frames:
        yield stepper.step(frame)
