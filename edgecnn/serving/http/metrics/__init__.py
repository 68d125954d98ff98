"""``/metrics``: the state of the service in the text format of Prometheus."""
