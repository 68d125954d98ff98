"""From probabilities to an answer that may be trusted, or to the reason why there is none."""

from __future__ import annotations

import math
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
    frame: int | None  # its place in the source; None where none came: the source is away
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


def decide(
    probabilities: NDArray[np.float32],
    labels: tuple[str, ...],
    threshold: float,
    topk: int,
    unknown_score: float | None = None,
    asked: NDArray[np.bool_] | None = None,
) -> Decision:
    """Decides on one picture.

    Args:
        probabilities: float32 ``[C]``.
        labels: C names.
        threshold: of the largest probability, below which the answer is ``unknown``; or of ``unknown_score``, above which it is.
        topk: how many classes to report.
        unknown_score: what the graph gave; None where the manifest's rule goes by the largest probability.
        asked: ``[C]``, which labels may be an answer; None: all. Where another is likelier than all of these, the answer is ``unknown``.

    Returns:
        ``no_decision`` for probabilities that are none: not finite, not summing to 1, or all equal, which names no class; and for an
        unknown score that is no number.
    """
    if (fault := _fault(probabilities, unknown_score)) is not None:
        return Decision("no_decision", f"invalid output: {fault}", None, None, ())
    likeliest = int(probabilities.argmax())
    candidates = probabilities if asked is None else np.where(asked, probabilities, -1)
    best = likeliest if asked is None else int(candidates.argmax())
    score = float(probabilities[best])
    order = [best] if topk == 1 else [i for i in np.argsort(-candidates, kind="stable")[:topk] if candidates[i] >= 0]
    top = tuple(Score(labels[i], float(probabilities[i])) for i in order)
    if best != likeliest:
        return Decision("unknown", f"'{labels[likeliest]}' ({probabilities[likeliest]:.2f}) is likelier than any label asked for", None, None, top)
    if unknown_score is None and score < threshold:
        return Decision("unknown", f"score {score:.2f} is below the threshold {threshold:.2f}", None, None, top)
    if unknown_score is not None and unknown_score > threshold:
        return Decision("unknown", f"unknown score {unknown_score:.3f} is above the threshold {threshold:.3f}", None, None, top)
    return Decision("ok", None, best, score, top)


def _fault(probabilities: NDArray[np.float32], unknown_score: float | None) -> str | None:
    """Why these outputs are none; None where they are."""
    if not np.isfinite(probabilities).all():
        return f"a probability is {probabilities[~np.isfinite(probabilities)][0]:g}"
    total = float(probabilities.sum())
    if abs(total - 1) > 1e-3 or probabilities.min() < 0:
        return f"the probabilities sum to {total:g}, or one is negative"
    if probabilities.max() == probabilities.min():
        return "all probabilities are equal"
    if unknown_score is not None and not math.isfinite(unknown_score):
        return f"the unknown score is {unknown_score:g}"
    return None
