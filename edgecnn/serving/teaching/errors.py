"""Why teaching does not begin. Each message is one line for the person who asked."""

from __future__ import annotations

from edgecnn.errors import EdgeCNNError

__all__ = ["NotReadyError", "NothingRunsError", "TeachingBusyError"]


class TeachingBusyError(EdgeCNNError):
    """Another teaching is under way."""


class NotReadyError(EdgeCNNError):
    """The labelled frames, or the model, do not do for teaching."""


class NothingRunsError(EdgeCNNError):
    """There is nothing to cancel."""
