"""Golden samples of a step file: short sequences of frames, whose replay checks the state too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.step_model import run_steps
from edgecnn.preprocess import Image
from edgecnn.runtime.golden.choice import TOLERANCE, jpeg_for
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["golden_sequences", "sequences_of"]

_SEQUENCES, _STEPS = 2, 4


def golden_sequences(session: ModelSession, clips: Sequence[Image], precision: str) -> GoldenSamples:
    """Sequences that a replay must answer alike; the state is carried from frame to frame.

    Args:
        session: the step file, which gives the expected probabilities and unknown scores.
        clips: each uint8 ``[T, H, W, 3]`` RGB at the model's input size; the first steps of the first clips are taken.
        precision: sets the tolerance.
    """
    images: list[Image] = []
    probabilities: list[NDArray[np.float32]] = []
    scores: list[NDArray[np.float32]] = []
    sequences: list[int] = []
    for number, steps in enumerate(clips[:_SEQUENCES]):
        for row, found in zip(steps[:_STEPS], run_steps(session, steps[:_STEPS]), strict=True):
            images.append(row)
            probabilities.append(found.probabilities[0])
            scores += [] if found.unknown_scores is None else [found.unknown_scores[0]]
            sequences.append(number)
    return GoldenSamples(
        np.stack(images),
        np.stack(probabilities),
        TOLERANCE[precision],
        np.array(scores, np.float32) if scores else None,
        tuple(sequences),
        jpeg_for(session.manifest),
    )


def sequences_of(samples: GoldenSamples) -> list[Image]:
    """The frames of each sequence, uint8 ``[T, H, W, 3]``."""
    numbers = np.array(samples.sequences or (0,) * len(samples.images))
    return [samples.images[numbers == number] for number in dict.fromkeys(numbers.tolist())]
