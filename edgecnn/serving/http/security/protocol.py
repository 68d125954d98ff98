"""uvicorn's HTTP protocol, with the limits that it lacks: on the head of a request, on a client that does not read its
answer, and on what an answer to malformed HTTP looks like."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgecnn.serving.http.answers import refusal
from edgecnn.serving.http.bodies import LEAST_BYTES_PER_S
from edgecnn.serving.http.security.headers import with_security_headers
from edgecnn.serving.http.security.lingering import LingeringTransport
from edgecnn.serving.settings.settings import LimitSettings

__all__ = ["limited_protocol"]


class _LimitedProtocol(H11Protocol):
    """Closes connections that keep the service waiting, and those beyond the limit."""

    limits: ClassVar[LimitSettings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._lingering: LingeringTransport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._lingering = LingeringTransport(transport, self.loop, self._is_receiving)
        super().connection_made(cast("asyncio.Transport", self._lingering))
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # what a closed connection still holds in the kernel ends too
            timeout_ms = round(2 * self.limits.silent_s * 1e3)  # after our own limit, which tells the client
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        # Whatever waits to be sent is then timed, even the little that a closing connection still has
        transport.set_write_buffer_limits(high=0)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None and self._lingering.lingers:
            return
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_write_timer()
        if self._lingering is not None:
            self._lingering.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._watch_writing()

    def resume_writing(self) -> None:
        self._cancel_write_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, or not such as may be answered. The text of the library stays in here."""
        if self.conn.our_state is not h11.SEND_RESPONSE and self.conn.our_state is not h11.IDLE:
            self._cut_off()  # in the middle of an answer: another one would look like a part of it
            return
        answer = refusal(400, "this is no valid HTTP request, or its head is too large")
        headers = with_security_headers([*answer.raw_headers, (b"connection", b"close")])
        head = h11.Response(status_code=answer.status_code, headers=headers, reason=b"Bad Request")
        if self.cycle is not None:  # its handler may wait for the rest of a body, which will not come
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _should_upgrade(self) -> bool:
        return False  # an upgrade is an offer, which a server may ignore (RFC 9110, 7.8)

    def _cut_off(self) -> None:
        """Resets the connection. After a mere close, the kernel keeps for minutes what the client does not read."""
        reset = struct.pack("ii", 1, 0)  # lingers for 0 s
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        self.transport.abort()

    def _is_receiving(self) -> bool:
        return self.conn.their_state in {h11.SEND_BODY, h11.ERROR}

    def _watch_head(self) -> None:
        """Times the head of the next request, from its first byte or from the connection."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.request_s, self._cut_off)

    def _watch_writing(self) -> None:
        """Has a look at what waits to be sent, and once more after ``silent_s``: by then enough must have gone."""
        waiting = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.limits.silent_s, self._check_writing, waiting)

    def _check_writing(self, waited: int) -> None:
        enough = round(LEAST_BYTES_PER_S * self.limits.silent_s)
        if waited - self.transport.get_write_buffer_size() < enough:
            self._cut_off()
        else:
            self._watch_writing()

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
