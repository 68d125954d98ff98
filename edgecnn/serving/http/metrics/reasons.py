"""The kinds of reasons: a label of a metric needs few values, and the texts of reasons hold numbers and names."""

from __future__ import annotations

from functools import lru_cache

from edgecnn.runtime.decision import Status

__all__ = ["KINDS", "reason_kind"]

_BY_BEGINNING = {
    "offline:": "offline",
    "too old:": "too old",
    "black:": "black",
    "overexposed:": "overexposed",
    "torn:": "torn",
    "blurred:": "blurred",
    "frozen:": "frozen",
    "view changed": "view changed",
    "invalid output:": "invalid output",
    "first step of a clip:": "first step of a clip",
    "smoothing:": "smoothing",
    "the region ": "region outside the frame",
    "score ": "below the threshold",
    "unknown score ": "unknown score",
    "'": "label not allowed",
}

KINDS = frozenset((*_BY_BEGINNING.values(), "model failed", "other", ""))
"""All values that the label ``reason`` can have. It is empty for the status ``ok``."""


@lru_cache(maxsize=256)  # a reason with numbers that change is a new text every frame
def reason_kind(status: Status, reason: str | None) -> str:
    """Returns the kind of a reason, which is one of :data:`KINDS`.

    Args:
        status: of the decision.
        reason: its text, as :class:`~edgecnn.runtime.decision.Prediction` has it.
    """
    if status == "ok" or reason is None:
        return ""
    if status == "error":
        return "model failed"
    return next((kind for beginning, kind in _BY_BEGINNING.items() if reason.startswith(beginning)), "other")
