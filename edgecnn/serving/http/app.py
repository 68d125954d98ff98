"""The ASGI application: which path goes where, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.answers import refusal
from edgecnn.serving.http.broadcast import Broadcast
from edgecnn.serving.http.classify import ClassifyEndpoint, ImageClassifier
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.events import EventsEndpoint
from edgecnn.serving.http.health import HealthEndpoints
from edgecnn.serving.http.live import LiveEndpoints
from edgecnn.serving.http.page import PageEndpoint
from edgecnn.serving.http.regions import RegionsEndpoint

__all__ = ["make_app"]

_HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}


def make_app(service: Service, rules: AccessRules, broadcast: Broadcast, endpoints: Sequence[Endpoint] = ()) -> ASGIApp:
    """The application.

    Args:
        service: what it shows and asks.
        rules: who may ask.
        broadcast: brings events into the loop.
        endpoints: those of the optional parts of the service.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        broadcast.open()
        yield

    routes = [
        Route(e.path, rules.guard(e.handler, e.access), methods=[e.method])
        for e in (*_own_endpoints(service, broadcast), *endpoints)
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _refused})
    return _Guarded(app, rules)


def _own_endpoints(service: Service, broadcast: Broadcast) -> tuple[Endpoint, ...]:
    live, health, page = LiveEndpoints(service, broadcast), HealthEndpoints(service), PageEndpoint()
    return (
        Endpoint("/", page, "open"),
        Endpoint("/page/{file:path}", page, "open"),
        Endpoint("/healthz", health.alive, "open"),
        Endpoint("/readyz", health.ready, "open"),
        Endpoint("/api/state", live.state, "read"),
        Endpoint("/api/sources/{source}/image", live.image, "read"),
        Endpoint("/api/sources/{source}/regions", RegionsEndpoint(service), "change", "PUT"),
        Endpoint("/api/events", EventsEndpoint(broadcast), "read"),
        Endpoint("/api/classify", ClassifyEndpoint(service, ImageClassifier(service)), "read", "POST"),
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = refusal(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


class _Guarded:
    """Refuses foreign requests before anything looks at them, and adds the headers that a browser keeps to."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS.items()]
            await send(message)

        foreign = self._rules.foreign(Request(scope))
        app = self._app if foreign is None else foreign
        await app(scope, receive, send_with_headers)
