"""Reads the body of a request within limits of size and time."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

__all__ = ["LEAST_BYTES_PER_S", "read_body", "stream_body"]

LEAST_BYTES_PER_S = 10_000
"""A client that sends more slowly is given up, after ``silent_s`` seconds."""


async def stream_body(request: Request, most: int, silent_s: float) -> AsyncGenerator[bytes, None]:
    """Yields the body in pieces.

    Args:
        request: the request.
        most: largest size in bytes.
        silent_s: seconds without a byte after which the client is given up.

    Raises:
        HTTPException: 413, the body is too large; 408, it does not arrive; 400, the client has gone.
    """
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
            raise HTTPException(408, "the body arrives too slowly", headers={"Connection": "close"})
        size += len(piece)
        if size > most:
            raise HTTPException(413, _too_large(most), headers={"Connection": "close"})
        if piece:
            yield piece


async def read_body(request: Request, most: int, silent_s: float) -> bytes:
    """The whole body. Arguments and errors are those of :func:`stream_body`."""
    return b"".join([piece async for piece in stream_body(request, most, silent_s)])


def _too_large(most: int) -> str:
    return f"the body is larger than {most / 1e6:g} MB; [limits] in the settings allows more"
