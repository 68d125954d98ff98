"""``/healthz``: the process is alive. ``/readyz``: every source and model is ready."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer

__all__ = ["LONGEST_SILENCE_S", "HealthEndpoints"]

LONGEST_SILENCE_S = 20.0
"""A source's thread that shows no sign of life for so long hangs."""


class HealthEndpoints:
    """Answers the questions of a supervisor."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def alive(self, request: Request) -> Response:
        """200, or 503 where a thread hangs."""
        silent_s = self._service.silent_s
        alive = silent_s < LONGEST_SILENCE_S
        return answer({"status": "alive" if alive else "hangs"}, 200 if alive else 503)

    async def ready(self, request: Request) -> Response:
        """200, or 503 while a source is offline."""
        waiting = [name for name, source in self._service.sources.items() if not source.status().up]
        return answer({"status": "waiting" if waiting else "ready", "waiting_for": waiting}, 503 if waiting else 200)
