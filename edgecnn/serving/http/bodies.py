"""Reads the body of a request within limits of size, time and memory."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from edgecnn.serving.settings.settings import LimitSettings

__all__ = ["LEAST_BYTES_PER_S", "BodyMemory", "read_object", "stream_body"]

LEAST_BYTES_PER_S = 10_000
"""A client that sends or reads more slowly is given up, after ``silent_s`` seconds."""

_HELD = 2  # bodies of the largest size that are in memory at the same time


async def stream_body(request: Request, most: int, silent_s: float) -> AsyncGenerator[bytes, None]:
    """Yields the body in pieces.

    Args:
        request: the request.
        most: largest size in bytes.
        silent_s: seconds without a byte after which the client is given up.

    Raises:
        HTTPException: 413, the body is too large; 415, it is compressed; 408, it does not arrive; 400, the client has
            gone.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "a compressed body is not accepted; send it as it is")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise HTTPException(413, _too_large(most))
    size, begun_s = 0, anyio.current_time()
    pieces = request.stream().__aiter__()
    while True:
        late_s = begun_s + silent_s + size / LEAST_BYTES_PER_S
        with anyio.move_on_at(min(late_s, anyio.current_time() + silent_s)) as waiting:
            try:
                piece = await pieces.__anext__()
            except StopAsyncIteration:
                return
            except ClientDisconnect:
                raise HTTPException(400, "the client went away before the body had arrived") from None
        if waiting.cancelled_caught:
            raise HTTPException(408, "the body arrives too slowly", headers=_CLOSE)
        size += len(piece)
        if size > most:
            raise HTTPException(413, _too_large(most), headers=_CLOSE)
        if piece:
            yield piece


async def read_object(request: Request, most: int, silent_s: float, example: str) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty one.

    Args:
        request: the request.
        most: largest size in bytes.
        silent_s: seconds without a byte after which the client is given up.
        example: what to send, for the error.

    Raises:
        HTTPException: 400, it is no JSON object; else as :func:`stream_body`.
    """
    content = b"".join([piece async for piece in stream_body(request, most, silent_s)])
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested too deep
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, f"the body is no JSON object; send {example}")
    return found


class BodyMemory:
    """The bodies that all requests together hold in memory: many clients that each send a part of a large body must
    not fill it.

    Args:
        limits: of the settings.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._most = round(limits.body_mb * 1e6)
        self._silent_s = limits.silent_s
        self._held = 0

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Gives the body in pieces; what was read counts as held until the block ends.

        Raises:
            HTTPException: 503, other bodies fill the memory; else as :func:`stream_body`.
        """
        held = 0

        async def pieces() -> AsyncGenerator[bytes, None]:
            nonlocal held
            async for piece in stream_body(request, self._most, self._silent_s):
                held += len(piece)
                self._held += len(piece)
                if self._held > _HELD * self._most:
                    raise HTTPException(503, "too many large bodies at the same time", headers={"Retry-After": "2"})
                yield piece

        try:
            yield pieces()
        finally:
            self._held -= held


_CLOSE = {"Connection": "close"}


def _too_large(most: int) -> str:
    return f"the body is larger than {most / 1e6:g} MB; [limits] in the settings allows more"
