"""Requests as bytes, over a socket: what no HTTP library would send."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One answer among those that came back."""

    status: int
    headers: dict[str, str]  # their names in small letters
    body: bytes


@dataclass(frozen=True)
class RawAnswer:
    """All that came back until the connection was closed."""

    content: bytes
    seconds: float
    closed: bool  # by the service, in time

    @property
    def statuses(self) -> list[int]:
        return [part.status for part in self.parts]

    @property
    def parts(self) -> list[Part]:
        """The answers. None of them may be chunked."""
        rest, found = self.content, []
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            assert first.startswith("HTTP/1.1 "), first
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = int(headers["content-length"])
            found.append(Part(int(first.split()[1]), headers, rest[:length]))
            rest = rest[length:]
        return found


def send_raw(port: int, pieces: Sequence[bytes], *, pause_s: float = 0.0, limit_s: float = 10.0) -> RawAnswer:
    """Sends pieces, with pauses between them, and reads until the service closes the connection."""
    start = time.monotonic()
    content = b""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as client:
        for piece in pieces:
            try:
                client.sendall(piece)
            except OSError:  # closed already: what was answered may be there still
                break
            time.sleep(pause_s)
        closed = False
        while (left_s := start + limit_s - time.monotonic()) > 0:
            client.settimeout(left_s)
            try:
                part = client.recv(65536)
            except TimeoutError:
                break
            except OSError:
                closed = True
                break
            if not part:
                closed = True
                break
            content += part
    return RawAnswer(content, time.monotonic() - start, closed)
