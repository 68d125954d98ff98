"""States, changes and Home Assistant's discovery on an MQTT broker."""
