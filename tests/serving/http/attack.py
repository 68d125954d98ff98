"""A request of an attacker as bytes, and the usual forms of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

TOKEN = "a-token-that-is-long-enough-5"
REGIONS = json.dumps({"regions": [{"name": "theirs", "roi": "0,0,0.5,0.5"}]}).encode()
CHANGE = b"PUT /api/sources/door/regions HTTP/1.1\r\n"
READ = b"GET /api/state HTTP/1.1\r\n"
POST = b"POST /api/classify HTTP/1.1\r\n"


@dataclass(frozen=True)
class Attack:
    """What is sent, in pieces with pauses between them.

    HOST stands for the service's own Host header, PORT for its port, CANARY for the path of a secret file.
    """

    pieces: tuple[bytes, ...]
    pause_s: float = 0.0

    def sent(self, port: int, canary: bytes) -> list[bytes]:
        """The pieces for the service at this port of 127.0.0.1."""
        number = str(port).encode()
        known = ((b"HOST", b"127.0.0.1:" + number), (b"PORT", number), (b"CANARY", canary))
        pieces = list(self.pieces)
        for word, value in known:
            pieces = [piece.replace(word, value) for piece in pieces]
        return pieces


def once(*lines: bytes, body: bytes = b"") -> Attack:
    return Attack((b"".join(lines) + b"\r\n" + body,))


def get(path: bytes) -> Attack:
    return once(b"GET " + path + b" HTTP/1.1\r\n", b"Host: HOST\r\n")


def from_host(host: bytes) -> Attack:
    return once(READ, b"Host: " + host + b"\r\n")


def from_origin(origin: bytes, start: bytes = READ) -> Attack:
    return once(start, b"Host: HOST\r\n", b"Origin: " + origin + b"\r\n", b"Content-Length: 0\r\n")


def change(*headers: bytes) -> Attack:
    length = b"Content-Length: %d\r\n" % len(REGIONS)
    return once(CHANGE, b"Host: HOST\r\n", *(header + b"\r\n" for header in headers), length, body=REGIONS)


def classify(*headers: bytes, body: bytes = b"") -> Attack:
    return once(POST, b"Host: HOST\r\n", *(header + b"\r\n" for header in headers), body=body)


def posted(method: bytes, path: bytes, body: bytes, *headers: bytes) -> Attack:
    """A request in order, but for what is in it."""
    length = b"Content-Length: %d\r\n" % len(body)
    lines = (header + b"\r\n" for header in headers)
    return once(method + b" " + path + b" HTTP/1.1\r\n", b"Host: HOST\r\n", *lines, length, body=body)
