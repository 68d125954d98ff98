"""Clients that hold connections and do nothing with them: they read nothing, or stop in the middle of a request."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

HALF_BODY = bytes(500_000)


def requests(host: str, source: str) -> tuple[bytes, ...]:
    """What the kinds of clients send, before they stop."""
    head = f"Host: {host}\r\n"
    image = f"GET /api/sources/{source}/image HTTP/1.1\r\n{head}\r\n"
    return (
        f"GET /api/events HTTP/1.1\r\n{head}\r\n".encode(),
        (image * 50).encode(),
        f"GET /api/state HTTP/1.1\r\n{head[:-8]}".encode(),
        f"POST /api/classify HTTP/1.1\r\n{head}Content-Length: 1000000\r\n\r\n".encode() + HALF_BODY,
        (f"GET /api/state HTTP/1.1\r\n{head}\r\n" * 100).encode(),
    )


@contextlib.contextmanager
def stalled_clients(port: int, count: int, source: str) -> Iterator[None]:
    """Keeps this many of them connected while the block runs: one that is cut off comes back."""
    kinds = requests(f"127.0.0.1:{port}", source)
    stop = threading.Event()
    connected = threading.Semaphore(0)

    def stall(kind: bytes) -> None:
        first = True
        while not stop.is_set():
            with contextlib.suppress(OSError), socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", port))
                client.settimeout(0.5)
                client.sendall(kind)
                if first:
                    connected.release()
                    first = False
                while not stop.wait(0.5) and not is_closed(client):
                    pass
            stop.wait(0.1)

    threads = [threading.Thread(target=stall, args=(kinds[i % len(kinds)],), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert connected.acquire(timeout=30), "a client could not connect"
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def is_closed(client: socket.socket) -> bool:
    """Whether the service has cut it off: a reset, or an end behind what it does not read."""
    error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return error != 0 or info[0] != 1  # 1: established
