"""Replays golden samples: checks that this device computes the same results as the machine that made the model file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.step_model import Stepper, StepResult
from edgecnn.preprocess import Image
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession, Outputs

__all__ = ["GoldenReplay", "replay"]


@dataclass(frozen=True)
class GoldenReplay:
    """The result of a replay."""

    samples: int
    max_abs_diff: float  # NaN where an output is
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether all probabilities and scores are within the tolerance. NaN never is."""
        return self.max_abs_diff <= self.tolerance


def replay(session: ModelSession, golden: GoldenSamples) -> GoldenReplay:
    """Runs the golden samples with batch size 1 and compares the outputs with the expected ones.

    Sequences run in order, each step from the state that the step before gave.
    """
    failed = GoldenReplay(len(golden.images), float("nan"), golden.tolerance)
    if golden.images.shape[1:] != session.input_shape or golden.probabilities.shape[1] != session.classes:
        return failed
    found = list(_outputs(session, golden))
    differences = [float(np.abs(np.concatenate([f.probabilities for f in found]) - golden.probabilities).max())]
    if golden.unknown_scores is not None and session.form != "clip":  # a clip file gives no scores
        scores = [f.unknown_scores for f in found if f.unknown_scores is not None]
        if not scores:
            return failed
        differences.append(_score_difference(np.concatenate(scores), golden.unknown_scores))
    return GoldenReplay(len(found), float(np.max(differences)), golden.tolerance)  # a NaN stays


def _outputs(session: ModelSession, golden: GoldenSamples) -> Iterator[StepResult]:
    """The outputs for each sample."""
    if session.form == "image" or golden.sequences is None:
        for image in golden.images:
            yield session.outputs(image[None], ("unknown_score",))
        return
    clips: dict[int, _Clip] = {}
    for image, sequence in zip(golden.images, golden.sequences, strict=True):
        yield clips.setdefault(sequence, _Clip(session)).add(image)


class _Clip:
    """A sequence up to a frame."""

    def __init__(self, session: ModelSession) -> None:
        self._session = session
        self._stepper = Stepper(session)
        self._frames: list[Image] = []

    def add(self, image: Image) -> StepResult:
        """The outputs after one frame more, uint8 ``[H, W, 3]``."""
        if self._session.form == "step":
            return self._stepper.step(image)
        self._frames.append(image)
        frames = np.stack([*self._frames, np.zeros_like(image)])[None]  # one more than the length, which is not read
        lengths = np.array([len(self._frames)], np.int64)
        return Outputs(self._session.classify_clips(frames, lengths), None, None)


def _score_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Returns the largest score difference, relative for scores above 1, because an energy has no fixed range."""
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1)))
