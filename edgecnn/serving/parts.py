"""The optional parts of the service: what swaps models, collects frames, tells other systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.mqtt.part import MqttPart
from edgecnn.serving.webhooks.part import WebhooksPart

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
    parts: list[Part] = []
    if service.settings.mqtt is not None:
        parts.append(MqttPart(service, service.settings.mqtt))
    if service.settings.webhooks:
        parts.append(WebhooksPart(service, service.settings.webhooks))
    return tuple(parts)
