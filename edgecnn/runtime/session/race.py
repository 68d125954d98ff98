"""Measures which of two open sessions is faster on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgecnn.preprocess import Image
    from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["clearly_quicker"]

_ROUNDS = 7
_MARGIN = 1.1  # less is chance, and would make the provider differ from one start to the next


def clearly_quicker(challenger: ModelSession, holder: ModelSession) -> bool:
    """Whether the challenger is clearly faster: compares the fastest of several alternating runs of one image."""
    image = np.full((1, *challenger.input_shape), 127, np.uint8)
    times = [(_seconds(challenger, image), _seconds(holder, image)) for _ in range(_ROUNDS)]
    challengers, holders = zip(*times, strict=True)
    return bool(min(challengers) * _MARGIN < min(holders))


def _seconds(session: ModelSession, image: Image) -> float:
    begun = time.perf_counter()
    session.probabilities(image)
    return time.perf_counter() - begun
