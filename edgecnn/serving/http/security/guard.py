"""Refuses foreign requests before anything looks at them; no answer lacks the headers, none shows a traceback."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.answers import refusal
from edgecnn.serving.http.security.headers import with_security_headers

__all__ = ["UNEXPECTED", "Guard"]

log = logging.getLogger("edgecnn")

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

        foreign = self._rules.foreign(Request(scope))
        app = self._app if foreign is None else foreign
        try:
            await app(scope, receive, send_with_headers)
        except Exception:
            log.exception("%s %s: an unexpected error", scope["method"], ascii(scope["path"]))
            if not begun:
                await refusal(500, UNEXPECTED)(scope, receive, send_with_headers)
            elif not complete:
                raise  # the connection is closed in the middle of the answer, so that nobody takes it for whole
