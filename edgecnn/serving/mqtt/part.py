"""MQTT as a part of the service."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.mqtt.broker import read_broker
from edgecnn.serving.mqtt.publisher import Publisher
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.mqtt.updates import Updates
from edgecnn.serving.settings.settings import MqttSettings

__all__ = ["MqttPart"]


class MqttPart:
    """Tells a broker what stands.

    Args:
        service: the service.
        settings: of the broker.
        updates: the swaps, for the ``update`` entity at Home Assistant; None: models cannot be accepted over MQTT.

    Raises:
        UsageError: a setting is wrong.
        InputNotFoundError: a file that the settings name cannot be read.
    """

    def __init__(self, service: Service, settings: MqttSettings, updates: Updates | None = None) -> None:
        topics = Topics.of(settings, service.settings.device)
        self._publisher = Publisher(
            service, read_broker(settings), topics, discovery=settings.discovery, updates=updates
        )

    def endpoints(self) -> Sequence[Endpoint]:
        """None."""
        return ()

    def start(self) -> None:
        """Connects in the background. A broker that is away is no error."""
        self._publisher.start()

    def stop(self) -> None:
        """Says ``offline``, and ends."""
        self._publisher.stop()
