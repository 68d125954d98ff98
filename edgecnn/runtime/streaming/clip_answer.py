"""One answer for a whole clip: that at its end."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from edgecnn.runtime.decision import LatencyMs, Prediction
from edgecnn.runtime.streaming.stream_answer import StreamAnswer, StreamAnswers

__all__ = ["clip_answer"]


def clip_answer(frames: StreamAnswers, clip: str) -> StreamAnswers:
    """Yields the answer at the end of a clip.

    That is the last frame's answer, or the last one before frames without a decision. A clip of which a part cannot be
    read gives the error instead. ``latency_ms`` is the sum over all frames.

    Args:
        frames: the answers of the clip's frames, in order.
        clip: its path.
    """
    last: StreamAnswer | None = None
    error: StreamAnswer | None = None
    times = LatencyMs(None, None, None, 0.0)
    with closing(frames):
        for found in frames:
            if found.prediction.status == "error":
                error = error or found
            elif found.prediction.status != "no_decision" or last is None or last.prediction.status == "no_decision":
                last = found
            times = _sum(times, found.prediction.latency_ms)
    if error is not None:
        yield StreamAnswer(None, _of_clip(error.prediction, clip))
    elif last is not None:
        yield StreamAnswer(last.frame, replace(last.prediction, source=clip, latency_ms=times))


def _of_clip(error: Prediction, clip: str) -> Prediction:
    """The error of a clip; it names the frame where that is a file of its own."""
    if error.source in (None, clip):
        return error
    return replace(error, source=clip, reason=f"its frame {error.source} cannot be read: {error.reason}")


def _sum(one: LatencyMs, other: LatencyMs) -> LatencyMs:
    return LatencyMs(
        _added(one.decode, other.decode),
        _added(one.preprocess, other.preprocess),
        _added(one.inference, other.inference),
        one.total + other.total,
    )


def _added(one: float | None, other: float | None) -> float | None:
    return other if one is None else one + (other or 0.0)
