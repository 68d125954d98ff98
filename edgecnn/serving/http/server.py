"""Runs the application in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import ExitStack

import uvicorn
from starlette.types import ASGIApp

from edgecnn.errors import UsageError
from edgecnn.serving.http.broadcast import Broadcast
from edgecnn.serving.http.security.guard import LARGEST_HEAD
from edgecnn.serving.http.security.protocol import limited_protocol
from edgecnn.serving.settings.settings import LimitSettings

__all__ = ["HttpServer", "listen"]

_SEND_BUFFER = 65_536  # bytes that the kernel keeps for a client: a silent one is noticed soon, and costs little
_KEEP_ALIVE_S = 5
_STOP_S = 1.0


def listen(host: str, port: int) -> socket.socket:
    """Opens the socket. Raises :class:`UsageError` where the address is taken or is none of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as opened:
            listening = opened.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # its connections inherit it
            listening.bind(address)
            listening.listen(128)
            opened.pop_all()
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have this name
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{host}:{port}: cannot listen there: {why}; choose another --port or --host") from None
    return listening


class HttpServer:
    """uvicorn with the limits of the settings.

    Args:
        app: answers the requests.
        listening: the open socket.
        limits: of time and number.
        broadcast: is told to let its clients go at the end.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, limits: LimitSettings, broadcast: Broadcast) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a warning for each malformed request fills a disk
        config = uvicorn.Config(
            app,
            http=limited_protocol(limits),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LARGEST_HEAD,
            timeout_keep_alive=max(1, min(_KEEP_ALIVE_S, round(limits.request_s))),
            timeout_graceful_shutdown=1,
        )
        self._listening = listening
        self._broadcast = broadcast
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="edgecnn-http", daemon=True)

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self._listening.getsockname()[1])

    @property
    def running(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends within two seconds, whatever its clients do."""
        self._broadcast.close()
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._server.force_exit = True
        self._thread.join(_STOP_S)
        self._listening.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listening]))
