"""Announces the device to Home Assistant, and carries out what its ``update`` entities ask for."""

from __future__ import annotations

import logging
from typing import Any

from edgecnn.errors import EdgeCNNError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.mqtt.discovery import Entities, discovery_values, entity_platforms, version_of
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.pacing import Content
from edgecnn.serving.mqtt.states import Standings
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.mqtt.updates import Updates, WaitingSwap

__all__ = ["Announcement"]

log = logging.getLogger("edgecnn")


class Announcement:
    """The device and the versions of its models.

    Args:
        service: the service.
        topics: of the device.
        standings: which views and models there are.
        updates: the swaps; None: models cannot be accepted over MQTT.
    """

    def __init__(self, service: Service, topics: Topics, standings: Standings, updates: Updates | None) -> None:
        self._service = service
        self._topics = topics
        self._standings = standings
        self._updates = updates
        self._announced: dict[str, str] = {}  # ids and platforms of the entities since the start

    def message(self) -> Message:
        """The discovery message of what there is now."""
        settings = self._service.settings
        entities = Entities(
            labels={key: self._service.models[key.model].current.labels for key in self._standings.sources()},
            sources=[source.name for source in settings.sources],
            updates={name: None if self._updates is None else self._latest(name) for name in self._service.models},
        )
        self._announced |= entity_platforms(entities)
        values = discovery_values(self._topics, settings.device, settings.max_state_age_s, entities, self._announced)
        return Message.json(self._topics.discovery, values, retain=True)

    def versions(self) -> list[tuple[str, dict[str, Any], Content]]:
        """For each model the topic of its ``update`` entity, its state as JSON, and that for its pacing."""
        found = []
        for name, model in self._service.models.items():
            installed, latest = version_of(model.current.sha256), self._latest(name)
            values = {"installed_version": installed, "latest_version": latest}
            found.append((self._topics.update(name), values, Content((installed, latest))))
        return found

    def commands(self) -> list[str]:
        """The topics of commands."""
        return [] if self._updates is None else [self._topics.install(name) for name in self._service.models]

    def obey(self, topic: str, payload: bytes) -> None:
        """Accepts the model file that waits, if it is the one that the sender saw."""
        for name in self._service.models:
            if self._updates is not None and topic == self._topics.install(name):
                self._install(self._updates, name, payload.decode(errors="replace"))

    def _install(self, updates: Updates, model: str, wanted: str) -> None:
        waiting = _waiting(updates, model)
        if waiting is None or wanted != version_of(waiting.sha256):
            log.warning("mqtt: model '%s': the version that was asked for is not waiting; nothing changes", model)
            return
        try:
            updates.accept(model, waiting.id)
        except EdgeCNNError as error:
            log.warning("mqtt: model '%s': %s", model, error)

    def _latest(self, model: str) -> str:
        waiting = None if self._updates is None else _waiting(self._updates, model)
        return version_of(self._service.models[model].current.sha256 if waiting is None else waiting.sha256)


def _waiting(updates: Updates, model: str) -> WaitingSwap | None:
    return next((swap for swap in updates.waiting if swap.model == model), None)
