"""The part of the service that answers ``/metrics``."""

from __future__ import annotations

from anyio import to_thread
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.metrics.decisions import DecisionMetrics
from edgecnn.serving.http.metrics.state import StateCollector

__all__ = ["MetricsPart"]


class MetricsPart:
    """Counts from the start on. Its registry is its own: two services in one process do not mix."""

    def __init__(self, service: Service) -> None:
        self._hub = service.hub
        self._registry = CollectorRegistry(auto_describe=False)
        self._decisions = DecisionMetrics(self._registry)
        self._registry.register(StateCollector(service))
        ProcessCollector(registry=self._registry)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """``/metrics``."""
        return (Endpoint("/metrics", self._answer, "read"),)

    def start(self) -> None:
        """Begins to count."""
        self._hub.subscribe(self._decisions.hear)

    def stop(self) -> None:
        """Counts no longer."""
        self._hub.unsubscribe(self._decisions.hear)

    async def _answer(self, request: Request) -> Response:
        """The metrics, as Prometheus's text format or OpenMetrics, whichever the client prefers."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        content = await to_thread.run_sync(encode, self._registry)
        return Response(content, headers={"Content-Type": media_type})
