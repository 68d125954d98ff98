"""The message by which Home Assistant learns of the device and its entities (MQTT discovery, device based)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn._version import __version__
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.mqtt.connection import QOS
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.short_hash import short_hash

__all__ = ["UNRECOGNIZED", "Entities", "discovery_values", "entity_platforms", "version_of"]

UNRECOGNIZED = "unrecognized"
"""State of a sensor where the model rejects the image: Home Assistant keeps ``unknown`` for itself."""

# Home Assistant gives these states, or the template's None, another meaning
_RESERVED = ("unknown", "unavailable", "None", UNRECOGNIZED)


@dataclass(frozen=True)
class Entities:
    """What the device shows at Home Assistant."""

    labels: Mapping[StateKey, Sequence[str]]  # the classes of each view and model
    sources: Sequence[str]
    updates: Mapping[
        str, str | None
    ]  # by model: the version that an installation accepts; None: it cannot be asked for


def version_of(sha256: str) -> str:
    """A model file's version for people: the first digits of its hash.

    Without the prefix, Home Assistant would compare two hashes that consist of decimal digits as numbers, and show no
    update where the new one is smaller.
    """
    return f"sha256:{short_hash(sha256)}"


def entity_platforms(entities: Entities) -> dict[str, str]:
    """The ids of the entities, and the platform of each."""
    platforms = {_sensor_id(key): "sensor" for key in entities.labels}
    platforms |= {_problem_id(source): "binary_sensor" for source in entities.sources}
    return platforms | {_update_id(model): "update" for model in entities.updates}


def discovery_values(
    topics: Topics, device: str, max_state_age_s: float, entities: Entities, removed: Mapping[str, str]
) -> dict[str, Any]:
    """The message as JSON.

    Args:
        topics: of the device.
        device: its name.
        max_state_age_s: seconds after which Home Assistant takes a state for outdated.
        entities: what it shows.
        removed: ids and platforms of entities that it showed before.
    """
    expire_after = max(1, math.ceil(max_state_age_s))
    components: dict[str, dict[str, Any]] = {}
    for key, labels in entities.labels.items():
        components[_sensor_id(key)] = _sensor(topics, key, labels, expire_after)
    for source in entities.sources:
        components[_problem_id(source)] = _problem(topics, source, expire_after)
    for model, payload in entities.updates.items():
        components[_update_id(model)] = _update(topics, model, payload)
    for name, component in components.items():
        component |= {"unique_id": f"{topics.device_id}_{name}", "qos": QOS}
        component["default_entity_id"] = f"{component['p']}.{_slug(f'{device}_{name}')}"
    # An entity that is missing stays, unless the message names its platform alone
    gone = {name: {"p": platform} for name, platform in removed.items() if name not in components}
    return {
        "dev": {"ids": [topics.device_id], "name": device, "mf": "EdgeCNN", "mdl": "edgecnn serve", "sw": __version__},
        "o": {"name": "EdgeCNN", "sw": __version__},
        "cmps": {**components, **gone},
        "availability": [{"topic": topics.status}],
        "qos": QOS,
    }


def _sensor(topics: Topics, key: StateKey, labels: Iterable[str], expire_after: int) -> dict[str, Any]:
    shown = {label: f"class {label}" for label in labels if label in _RESERVED}
    label = f"{{{{ {shown!r}.get(value_json.label, value_json.label)" if shown else "{{ value_json.label"
    return {
        "p": "sensor",
        "name": f"{key.view} {key.model}",
        "device_class": "enum",
        "options": list(dict.fromkeys([*(shown.get(label, label.strip()) for label in labels), UNRECOGNIZED])),
        "state_topic": topics.state(key),
        "value_template": f"{label} if value_json.status == 'ok' "
        f"else '{UNRECOGNIZED}' if value_json.status == 'unknown' else None }}}}",
        "json_attributes_topic": topics.state(key),
        "expire_after": expire_after,
    }


def _problem(topics: Topics, source: str, expire_after: int) -> dict[str, Any]:
    return {
        "p": "binary_sensor",
        "name": f"{source} problem",
        "device_class": "problem",
        "entity_category": "diagnostic",
        "state_topic": topics.problem(source),
        "value_template": "{{ 'ON' if value_json.problem else 'OFF' }}",
        "json_attributes_topic": topics.problem(source),
        "expire_after": expire_after,
    }


def _update(topics: Topics, model: str, payload: str | None) -> dict[str, Any]:
    entity = {
        "p": "update",
        "name": f"{model} model",
        "title": f"model {model}",
        "entity_category": "config",
        "state_topic": topics.update(model),
    }
    return entity if payload is None else {**entity, "command_topic": topics.install(model), "payload_install": payload}


# Names hold no dot, except between a source and its region: no two ids are equal
def _sensor_id(key: StateKey) -> str:
    return f"{key.view}.{key.model}.state"


def _problem_id(source: str) -> str:
    return f"{source}.problem"


def _update_id(model: str) -> str:
    return f"{model}.update"


def _slug(text: str) -> str:
    """The letters that an entity id may have."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text.lower())
