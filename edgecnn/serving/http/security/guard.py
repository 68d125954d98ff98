"""Refuses foreign requests before anything looks at them; no answer lacks the headers, none shows a traceback."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.answers import refusal
from edgecnn.serving.http.security.headers import with_security_headers

__all__ = ["LARGEST_HEAD", "UNEXPECTED", "Guard"]

log = logging.getLogger("edgecnn")

LARGEST_HEAD = 16_384
"""Bytes of a request's line and headers. The parser limits what is incomplete; a head can arrive at once."""

UNEXPECTED = "an unexpected error; the log of the service has it"
"""What a client is told of a fault of the service."""


class Guard:
    """The outermost ASGI application.

    Args:
        app: answers the requests.
        rules: say which requests are foreign.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = complete = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun, complete
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = with_security_headers(message.get("headers", ()))
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        request = Request(scope)
        app = _refusal_of_form(request) or self._rules.foreign(request) or self._app
        try:
            await app(scope, receive, send_with_headers)
        except Exception:
            log.exception("%s %s: an unexpected error", scope["method"], ascii(scope["path"]))
            if not begun:
                await refusal(500, UNEXPECTED)(scope, receive, send_with_headers)
            elif not complete:
                raise  # the connection is closed in the middle of the answer, so that nobody takes it for whole


def _refusal_of_form(request: Request) -> Response | None:
    """Refuses what programs on the way here may understand otherwise than this one does; None: nothing of it."""
    size = (
        len(request.scope["raw_path"])
        + len(request.scope["query_string"])
        + sum(len(k) + len(v) for k, v in request.headers.raw)
    )
    if size > LARGEST_HEAD:
        answer = refusal(431, "the head of the request is too large")
    elif "content-length" in request.headers and "transfer-encoding" in request.headers:
        answer = refusal(400, "a request has either a Content-Length or a Transfer-Encoding")
    elif request.headers.get("upgrade", "").lower() == "websocket":
        answer = refusal(400, "there are no web sockets here; /api/events sends events")
    else:
        return None
    answer.headers["Connection"] = "close"
    return answer
