"""The optional parts of the service: what swaps models, collects frames, tells other systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.metrics.part import MetricsPart

__all__ = ["Part", "make_parts"]


class Part(Protocol):
    """A part of the service."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Paths that it answers."""

    def start(self) -> None:
        """Begins. The sources do not run yet."""

    def stop(self) -> None:
        """Ends, within a second. The sources have ended."""


def make_parts(service: Service, folder: Path) -> tuple[Part, ...]:  # noqa: ARG001
    """The parts that the settings ask for.

    Args:
        service: what they listen to.
        folder: for what must outlive a restart.

    Raises:
        EdgeCNNError: the settings of one cannot be used.
    """
    parts: list[Part] = [MetricsPart(service)]
    return tuple(parts)
