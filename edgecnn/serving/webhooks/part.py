"""Webhooks as a part of the service."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgecnn.errors import UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.settings.settings import WebhookSettings
from edgecnn.serving.webhooks.hook import Hook

__all__ = ["WebhooksPart"]

_STOP_S = 0.5


class WebhooksPart:
    """Calls other systems when a decision changes.

    Args:
        service: the service.
        settings: of each hook.

    Raises:
        UsageError: an address, a key or the name of a source is wrong.
        InputNotFoundError: a key cannot be read.
    """

    def __init__(self, service: Service, settings: Sequence[WebhookSettings]) -> None:
        self._hub = service.hub
        for number, hook in enumerate(settings, 1):
            if unknown := [name for name in hook.sources if name not in service.sources]:
                known = ", ".join(service.sources) or "none"
                raise UsageError(f"webhook {number}: there is no source '{unknown[0]}'; there are: {known}")
        self._hooks = [Hook(number, hook) for number, hook in enumerate(settings, 1)]

    def endpoints(self) -> Sequence[Endpoint]:
        """None."""
        return ()

    def start(self) -> None:
        """Begins to listen."""
        for hook in self._hooks:
            hook.start()
            self._hub.subscribe(hook.hear)

    def stop(self) -> None:
        """Ends. What is not delivered yet is dropped."""
        end_s = time.monotonic() + _STOP_S
        for hook in self._hooks:
            self._hub.unsubscribe(hook.hear)
            hook.request_stop()
        for hook in self._hooks:
            hook.join(max(0.0, end_s - time.monotonic()))
