"""The optional parts of the service: what swaps models, collects frames, tells other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.metrics.part import MetricsPart
from edgecnn.serving.swap.part import SwapPart
from edgecnn.serving.swap.restoring import Restored
from edgecnn.serving.teaching.part import TeachingPart
from edgecnn.serving.why.part import WhyPart

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
    swap, collect = SwapPart(service, folder, restored or {}), CollectPart(service)
    for model in service.models.values():
        model.on_disagreement = collect.disagreed
    teaching = TeachingPart(service, folder, swap.swaps, collect)
    parts: list[Part] = [swap, collect, teaching, WhyPart(service, collect), MetricsPart(service)]
    # Not at the top: a service without them needs none of their memory
    if service.settings.mqtt is not None:
        from edgecnn.serving.mqtt.part import MqttPart  # noqa: PLC0415

        parts.append(MqttPart(service, service.settings.mqtt, swap.swaps))
    if service.settings.webhooks:
        from edgecnn.serving.webhooks.part import WebhooksPart  # noqa: PLC0415

        parts.append(WebhooksPart(service, service.settings.webhooks))
    return tuple(parts)
