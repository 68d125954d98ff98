"""The ASGI application: which path goes where, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

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
from edgecnn.serving.http.protocols.edge_impulse import EdgeImpulseEndpoints
from edgecnn.serving.http.protocols.inference_protocol import InferenceProtocolEndpoints
from edgecnn.serving.http.regions import RealignEndpoint, RegionsEndpoint
from edgecnn.serving.http.security.guard import UNEXPECTED, Guard

__all__ = ["make_app"]


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
        for e in (*_own_endpoints(service, broadcast, rules), *endpoints)
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _refused, Exception: _failed})
    app.router.redirect_slashes = False  # a redirect would name the host that the client claims
    return Guard(app, rules)


def _own_endpoints(service: Service, broadcast: Broadcast, rules: AccessRules) -> tuple[Endpoint, ...]:
    live, health, page = LiveEndpoints(service, broadcast), HealthEndpoints(service), PageEndpoint()
    images = ImageClassifier(service, rules)
    return (
        Endpoint("/", page, "open"),
        Endpoint("/page/{file:path}", page, "open"),
        Endpoint("/healthz", health.alive, "open"),
        Endpoint("/readyz", health.ready, "open"),
        Endpoint("/api/state", live.state, "read"),
        Endpoint("/api/sources/{source}/image", live.image, "read"),
        Endpoint("/api/sources/{source}/regions", RegionsEndpoint(service), "change", "PUT"),
        Endpoint("/api/sources/{source}/realign", RealignEndpoint(service), "change", "POST"),
        Endpoint("/api/events", EventsEndpoint(broadcast), "read"),
        Endpoint("/api/classify", ClassifyEndpoint(images), "read", "POST"),
        *EdgeImpulseEndpoints(images).endpoints(),
        *InferenceProtocolEndpoints(images).endpoints(),
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = error.headers or {}
    reason = error.detail
    if reason == HTTPStatus(error.status_code).phrase:  # the framework's own: of paths that nobody answers
        allowed = headers.get("Allow")
        reason = "no such path; docs/api.md lists them" if allowed is None else f"this path takes {allowed}"
    answer = refusal(error.status_code, reason)
    answer.headers.update(headers)
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    return refusal(500, UNEXPECTED)  # the guard writes the error into the log
