"""The service that runs on a device: sources, models, a live page, an API, MQTT, safe swaps (extra ``serve``)."""
