"""The optional parts of the service: what swaps models, collects frames, tells other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.swap.part import SwapPart
from edgecnn.serving.swap.restoring import Restored

__all__ = ["Part", "make_parts"]


class Part(Protocol):
    """A part of the service."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Paths that it answers."""

    def start(self) -> None:
        """Begins. The sources do not run yet."""

    def stop(self) -> None:
        """Ends, within a second. The sources have ended."""


def make_parts(service: Service, folder: Path, restored: Mapping[str, Restored] | None = None) -> tuple[Part, ...]:
    """The parts that the settings ask for.

    Args:
        service: what they listen to.
        folder: for what must outlive a restart.
        restored: models of earlier swaps.

    Raises:
        EdgeCNNError: the settings of one cannot be used.
    """
    parts: list[Part] = [SwapPart(service, folder, restored or {})]
    parts.append(CollectPart(service))
    return tuple(parts)
