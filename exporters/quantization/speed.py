"""Compares the speed of two models on this machine: alternating rounds, medians, one thread."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session

__all__ = ["Race", "one_thread", "race"]

_ROUNDS, _WARM_UP = 60, 5
_MIN_SECONDS, _MAX_SECONDS = 1.0, 20.0


@dataclass(frozen=True)
class Race:
    """Medians of one image's inference, and the median of the ratios of neighbouring runs."""

    first_ms: float
    second_ms: float
    speedup: float  # first / second


def one_thread(model: Path | ModelFile) -> ModelSession:
    """Opens a model with one thread. It was evaluated before, so it is not admitted again."""
    return open_session(model, "cpu", threads=1, trusted=True)


def race(first: ModelSession, second: ModelSession, rounds: int = _ROUNDS, least_seconds: float = _MIN_SECONDS) -> Race:
    """Runs both models on one image in turn, so that both meet the same load of the machine."""
    sessions = (first, second)
    image = np.random.default_rng(0).integers(0, 256, (1, *sessions[0].input_shape), np.uint8)
    times: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    for i in range(-_WARM_UP, 100 * rounds):
        for session, found in zip(sessions, times, strict=True):
            begun = time.perf_counter()
            session.probabilities(image)
            if i >= 0:
                found.append((time.perf_counter() - begun) * 1e3)
        spent = time.perf_counter() - start
        if (i >= rounds and spent > least_seconds) or (i >= 10 and spent > _MAX_SECONDS):
            break
    ratios = [a / b for a, b in zip(*times, strict=True)]
    return Race(statistics.median(times[0]), statistics.median(times[1]), statistics.median(ratios))
