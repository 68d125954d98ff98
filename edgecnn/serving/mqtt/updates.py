"""What the ``update`` entity of a model shows and does."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Updates"]


class Updates(Protocol):
    """The swaps of the models, as far as the ``update`` entity needs them."""

    def waiting(self, model: str) -> str | None:
        """SHA-256 of the model file that waits to be accepted; None: none does."""

    def accept(self, model: str) -> None:
        """Lets the model file that waits take over. Raises :class:`~edgecnn.errors.EdgeCNNError` where it cannot."""
