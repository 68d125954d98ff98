"""The HTTP side of the service: the page, the API, events, metrics."""
