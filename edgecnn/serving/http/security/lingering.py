"""Closes a connection so that the client gets the answer: also one that is still sending its request.

What arrives at a closed socket is answered with a reset, and a reset destroys an answer that the client has not read
yet. So the sending side is closed first, and what still arrives is thrown away for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["LingeringTransport"]

_LINGER_S = 3.0


class LingeringTransport:
    """A transport whose :meth:`close` waits for the client where that is needed; all else is the transport's.

    Args:
        transport: the connection.
        loop: that it belongs to.
        sending: whether the client may still be sending a request.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, sending: Callable[[], bool]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._sending = sending
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lingers(self) -> bool:
        """Whether what arrives shall be thrown away."""
        return self._timer is not None

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        """Sends what waits, and closes."""
        if self.lingers:
            return
        if self._transport.is_closing() or not self._sending():
            self._transport.close()
            return
        self._timer = self._loop.call_later(_LINGER_S, self._transport.abort)
        self._transport.write_eof()
        self._transport.resume_reading()

    def lost(self) -> None:
        """The connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
