"""Replays golden samples: checks that this device computes the same results as the machine that made the model file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.runtime.session.golden_samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession

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
    """Runs the golden samples with batch size 1 and compares the outputs with the expected ones."""
    failed = GoldenReplay(len(golden.images), float("nan"), golden.tolerance)
    if golden.images.shape[1:] != session.input_shape or golden.probabilities.shape[1] != session.classes:
        return failed
    found = [session.outputs(image[None], ("unknown_score",)) for image in golden.images]
    differences = [float(np.abs(np.concatenate([f.probabilities for f in found]) - golden.probabilities).max())]
    if golden.unknown_scores is not None:
        scores = [f.unknown_scores for f in found if f.unknown_scores is not None]
        if not scores:
            return failed
        differences.append(_score_difference(np.concatenate(scores), golden.unknown_scores))
    return GoldenReplay(len(found), float(np.max(differences)), golden.tolerance)  # a NaN stays


def _score_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Returns the largest score difference, relative for scores above 1, because an energy has no fixed range."""
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1)))
