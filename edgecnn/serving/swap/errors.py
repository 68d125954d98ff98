"""Why a swap does not go on. Each message is one line for the person who asked."""

from __future__ import annotations

from edgecnn.errors import EdgeCNNError

__all__ = ["AlreadyServingError", "NoSuchSwapError", "SwapBusyError", "SwapRefusedError"]


class SwapRefusedError(EdgeCNNError):
    """The new model file is refused. The old model goes on serving."""


class AlreadyServingError(SwapRefusedError):
    """The file is the one that serves, or that is in the shadow."""


class SwapBusyError(EdgeCNNError):
    """Another file is being checked."""


class NoSuchSwapError(EdgeCNNError):
    """There is no such swap to accept or to reject, or no previous model to go back to."""
