"""What the ``update`` entity of a model shows and does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Updates", "WaitingSwap"]


class WaitingSwap(Protocol):
    """A model file that waits to be accepted."""

    @property
    def id(self) -> str:
        """Of the swap."""

    @property
    def model(self) -> str:
        """Name of the model that it shall replace."""

    @property
    def sha256(self) -> str:
        """Of the file."""


class Updates(Protocol):
    """The swaps of the models, as far as the ``update`` entity needs them."""

    @property
    def waiting(self) -> Sequence[WaitingSwap]:
        """The model files that wait to be accepted."""

    def accept(self, model: str, swap_id: str | None = None) -> object:
        """Lets a waiting file take over. Raises :class:`~edgecnn.errors.EdgeCNNError` where it cannot."""
