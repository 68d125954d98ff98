"""uvicorn's HTTP protocol, with the time limits that it lacks: for the head of a request, and for a client that does
not read its answer."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from edgecnn.serving.settings.settings import LimitSettings

__all__ = ["limited_protocol"]


class _LimitedProtocol(H11Protocol):
    """Closes connections that keep the service waiting, and those beyond the limit."""

    limits: ClassVar[LimitSettings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.silent_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_write_timer()
        super().resume_writing()

    def _watch_head(self) -> None:
        """Times the head of the next request, from its first byte or from the connection."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.request_s, self.transport.abort)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def limited_protocol(limits: LimitSettings) -> type[H11Protocol]:
    """The protocol class with these limits."""
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits})
