"""The names of the topics."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.settings.settings import MqttSettings

__all__ = ["Topics"]


@dataclass(frozen=True)
class Topics:
    """All topics of a device."""

    device_id: str  # letters, digits, - and _; the device's id at Home Assistant and at the broker
    root: str  # BASE/DEVICE
    discovery_prefix: str

    @classmethod
    def of(cls, settings: MqttSettings, device: str) -> Topics:
        """The topics of a device.

        Args:
            settings: of the broker.
            device: name of the device.
        """
        base = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in settings.base_topic)
        return cls(f"{base}_{device}", f"{settings.base_topic}/{device}", settings.discovery_prefix)

    @property
    def status(self) -> str:
        """``online`` or ``offline``, retained."""
        return f"{self.root}/status"

    def state(self, key: StateKey) -> str:
        """What stands for a view and a model, retained."""
        return f"{self.root}/{key.view}/{key.model}/state"

    def event(self, key: StateKey) -> str:
        """Each change of a view and a model, not retained."""
        return f"{self.root}/{key.view}/{key.model}/event"

    def problem(self, source: str) -> str:
        """Whether a source is offline or gives no decision, retained."""
        return f"{self.root}/{source}/problem"

    def update(self, model: str) -> str:
        """The model file that serves, and the one that waits to be accepted, retained."""
        return f"{self.root}/models/{model}/update"

    def install(self, model: str) -> str:
        """The command that accepts the model file that waits."""
        return f"{self.root}/models/{model}/install"

    @property
    def all_states(self) -> tuple[str, str]:
        """Filters of the retained topics that stop to exist when a source, a region or a model goes."""
        return f"{self.root}/+/+/state", f"{self.root}/+/problem"

    @property
    def discovery(self) -> str:
        """Where Home Assistant learns of the device, retained."""
        return f"{self.discovery_prefix}/device/{self.device_id}/config"

    @property
    def home_assistant(self) -> str:
        """Where Home Assistant says ``online`` when it has started."""
        return f"{self.discovery_prefix}/status"
