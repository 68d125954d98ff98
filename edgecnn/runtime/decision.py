"""From probabilities to an answer that may be trusted, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decision", "LatencyMs", "Prediction", "Score", "Status", "decide"]

Status = Literal["ok", "unknown", "no_decision", "error"]


@dataclass(frozen=True)
class Score:
    """One class and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class LatencyMs:
    """Where the time went, in milliseconds; None where a step was not taken."""

    decode: float | None
    preprocess: float | None
    inference: float | None
    total: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture. ``label``, ``index`` and ``score`` are None unless ``status`` is ``ok``."""

    source: str | None
    frame: int
    captured_at: str  # RFC 3339: when the picture was taken in
    media_time_s: float | None  # position in a video
    age_ms: float  # from capture to answer
    status: Status
    reason: str | None  # why the status is not `ok`
    label: str | None
    index: int | None
    score: float | None
    top: tuple[Score, ...]  # best first; the guess of an `unknown` stays here
    latency_ms: LatencyMs
    ep: str
    model_sha256: str


@dataclass(frozen=True)
class Decision:
    """What the probabilities of one picture say."""

    status: Status
    reason: str | None
    index: int | None
    score: float | None
    top: tuple[Score, ...]


def decide(probabilities: NDArray[np.float32], labels: tuple[str, ...], threshold: float, topk: int) -> Decision:
    """Decides on one picture.

    Args:
        probabilities: float32 ``[C]``.
        labels: C names.
        threshold: the answer below it is ``unknown``.
        topk: how many classes to report.

    Returns:
        ``no_decision`` for probabilities that are none: not finite, not summing to 1, or all equal, which names no class.
    """
    if not np.isfinite(probabilities).all():
        worst = probabilities[~np.isfinite(probabilities)][0]
        return Decision("no_decision", f"invalid output: a probability is {worst:g}", None, None, ())
    total = float(probabilities.sum())
    if abs(total - 1) > 1e-3 or probabilities.min() < 0:
        return Decision("no_decision", f"invalid output: the probabilities sum to {total:g}, or one is negative", None, None, ())
    best = int(probabilities.argmax())
    score = float(probabilities[best])
    if score == float(probabilities.min()):
        return Decision("no_decision", "invalid output: all probabilities are equal", None, None, ())
    order = [best] if topk == 1 else np.argsort(-probabilities, kind="stable")[:topk]
    top = tuple(Score(labels[i], float(probabilities[i])) for i in order)
    if score < threshold:
        return Decision("unknown", f"score {score:.2f} is below the threshold {threshold:.2f}", None, None, top)
    return Decision("ok", None, best, score, top)
