"""A proxy on 127.0.0.1 that makes a good connection a bad one: slow, in pieces, narrow, reset, or cut short.

What it can do has the names that Toxiproxy gives it. Servers that fail by themselves are elsewhere (`mjpeg_server.py`):
this one spoils what any server sends, at any byte.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

_PIECE = 65_536  # bytes that are read at once


@dataclass(frozen=True)
class Toxics:
    """What happens to the bytes of the server, on each connection. The bytes of the client pass as they are."""

    latency_s: float = 0.0  # all of them arrive later by this
    slice_bytes: int | None = None  # they arrive in pieces of at most this size
    slice_pause_s: float = 0.0  # between two pieces
    bytes_per_s: float | None = None  # no more than this
    limit_data: int | None = None  # after so many the connection ends in order
    reset_after: int | None = None  # after so many it is reset


class TcpProxy:
    """Passes connections on to a server of this machine.

    Args:
        port: of the server, on 127.0.0.1.
        toxics: what happens to its bytes; may be replaced at any time, for connections that are open, too.
    """

    def __init__(self, port: int, toxics: Toxics) -> None:
        self.toxics = toxics
        self.connections = 0
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Ends all connections, and takes no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            _shut(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            client.close()
            return
        self._open |= {client, server}
        arrived: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        for work in (lambda: _copy(client, server), lambda: self._receive(server, arrived)):
            threading.Thread(target=work, daemon=True).start()
        with contextlib.suppress(OSError):
            self._send(client, arrived)
        self._open -= {client, server}
        _shut(server)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)  # wakes who still reads it, else a reset would wait for that
        client.close()
        server.close()

    def _receive(self, server: socket.socket, arrived: SimpleQueue[tuple[float, bytes]]) -> None:
        """Takes what the server sends, at its own speed, so that a latency does not make the connection narrow."""
        piece = b"?"
        while piece:
            try:
                piece = server.recv(_PIECE)
            except OSError:
                piece = b""
            arrived.put((time.monotonic(), piece))

    def _send(self, client: socket.socket, arrived: SimpleQueue[tuple[float, bytes]]) -> None:
        sent = 0
        while True:
            at_s, data = arrived.get()
            time.sleep(max(0.0, at_s + self.toxics.latency_s - time.monotonic()))
            if not data:
                return
            while data:
                toxics = self.toxics
                end = _end_of(toxics)
                size = min(toxics.slice_bytes or len(data), len(data), _PIECE if end is None else max(0, end - sent))
                client.sendall(data[:size])
                sent, data = sent + size, data[size:]
                if toxics.bytes_per_s is not None:
                    time.sleep(size / toxics.bytes_per_s)
                time.sleep(toxics.slice_pause_s)
                if end is not None and sent >= end:
                    if toxics.reset_after == end:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return


def _end_of(toxics: Toxics) -> int | None:
    """After how many bytes a connection ends."""
    return min((end for end in (toxics.limit_data, toxics.reset_after) if end is not None), default=None)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_proxy(port: int, **toxics: float | None) -> Iterator[TcpProxy]:
    """A proxy before a server of this machine, while the block runs."""
    proxy = TcpProxy(port, Toxics(**toxics))  # type: ignore[arg-type]
    try:
        yield proxy
    finally:
        proxy.close()
