"""``/api/events``: what happens, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edgecnn.serving.http.broadcast import Broadcast

__all__ = ["EventsEndpoint"]

_SIGN_OF_LIFE_S = 5.0
_LEAST_INTERVAL_S = 0.1  # between two sends: many decisions in one cost hardly more than one


class EventsEndpoint:
    """Sends every decision, source change and swap, of the format of the HTML standard's EventSource."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    async def __call__(self, request: Request) -> Response:
        """Answers until the client goes or the service stops."""
        return StreamingResponse(self._lines(), media_type="text/event-stream")

    async def _lines(self) -> AsyncIterator[str]:
        client = self._broadcast.add()
        try:
            yield ": welcome\n\n"
            while not self._broadcast.closed:
                events = await client.take(_SIGN_OF_LIFE_S)
                yield "".join(f"event: {kind}\ndata: {text}\n\n" for kind, text in events) or ": alive\n\n"
                await asyncio.sleep(_LEAST_INTERVAL_S)
        finally:
            self._broadcast.remove(client)
