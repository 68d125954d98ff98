"""Holds a discovery message against Home Assistant's own code. Its Python runs this file: `home_assistant.py < MESSAGE`.

Standard input is JSON: `{"discovery": {…}, "states": [[ENTITY, MESSAGE OF ITS STATE TOPIC], …]}`. Standard output is the
state that each of these entities gets.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile

from homeassistant.components.mqtt import binary_sensor, discovery, sensor, update
from homeassistant.components.mqtt.models import MqttValueTemplate
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame

SCHEMAS = {
    "sensor": sensor.DISCOVERY_SCHEMA,
    "binary_sensor": binary_sensor.DISCOVERY_SCHEMA,
    "update": update.DISCOVERY_SCHEMA,
}
NEWER = {"default_entity_id"}  # since Home Assistant 2025.10; before, unknown keys are dropped without a word


def checked(payload: dict) -> dict[str, dict]:
    """The entities as Home Assistant reads them. Raises where one is wrong, or where a key is none that it knows."""
    discovery._replace_all_abbreviations(payload)
    DEVICE_DISCOVERY_SCHEMA(payload)
    entities = {}
    for name, component in payload["components"].items():
        if set(component) == {"platform"}:  # removes an entity
            continue
        config = discovery.MQTTDiscoveryPayload({key: value for key, value in component.items() if key != "platform"})
        discovery._merge_common_device_options(config, payload)
        read = SCHEMAS[component["platform"]](config)
        if unread := set(config) - set(read) - NEWER - {"platform"}:
            raise SystemExit(f"{name}: Home Assistant does not know {sorted(unread)}")
        entities[name] = read
    return entities


async def main() -> None:
    given = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)  # templates need one
        frame.async_setup(hass)
        entities = checked(given["discovery"])
        states = [shown(entities[name], message) for name, message in given["states"]]
        await hass.async_stop(force=True)
    print(json.dumps(states))


def shown(config: dict, message: dict) -> str | None:
    """The state that an entity gets by a message; None: an `update` entity, which reads the message itself."""
    if "value_template" not in config:
        update.MQTT_JSON_UPDATE_SCHEMA(message)
        return None
    return MqttValueTemplate(config["value_template"]).async_render_with_possible_json_value(json.dumps(message))


asyncio.run(main())
