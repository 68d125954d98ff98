"""A web server for files on 127.0.0.1: with and without ranges, accounts and cookies."""

from __future__ import annotations

import hashlib
import http.server
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from http_thread import served_by


@dataclass
class FileServer:
    """What a server does, and what it was asked."""

    folder: Path
    ranges: bool = True
    digest: str = ""  # the algorithm; user admin, password pa:ss
    cookie: bool = False  # the first answer sets one and redirects to the same path; without it nothing is served
    breaks_after: int | None = None  # bytes of a body
    requests: list[str] = field(default_factory=list)
    port: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        served = self.served
        served.requests.append(f"{self.path}\n{self.headers}")
        if served.digest and not self._may():
            offers = f'realm="cam", nonce="n", qop="auth", algorithm={served.digest}'
            self._head(401, ("WWW-Authenticate", f"Digest {offers}"), ("WWW-Authenticate", 'Basic realm="cam"'))
        elif served.cookie and "session=7" not in self.headers.get("Cookie", ""):
            self._head(302, ("Set-Cookie", "session=7; path=/"), ("Location", self.path))
        elif not (served.folder / self.path[1:]).is_file():
            self._head(404)
        else:
            self._send((served.folder / self.path[1:]).read_bytes())

    def _head(self, status: int, *headers: tuple[str, str], length: int = 0) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(length))):
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and self.served.ranges:
            first = int(asked[1])
            place = ("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self._head(206, place, length=len(content) - first)
            content = content[first:]
        else:
            self._head(200, length=len(content))
        self.wfile.write(content[: self.served.breaks_after])
        self.close_connection = self.served.breaks_after is not None

    def _may(self) -> bool:
        """RFC 7616, section 3.4.1."""
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', self.headers.get("Authorization", "")))
        function = {"MD5": "md5", "SHA-256": "sha256"}[self.served.digest]

        def hashed(*parts: str) -> str:
            return hashlib.new(function, ":".join(parts).encode()).hexdigest()

        secret, request = hashed("admin", "cam", "pa:ss"), hashed("GET", self.path)
        expected = hashed(secret, "n", given.get("nc", ""), given.get("cnonce", ""), "auth", request)
        return given.get("response") == expected


@contextmanager
def file_server(folder: Path, **options: object) -> Iterator[FileServer]:
    served = FileServer(folder, **options)  # type: ignore[arg-type]
    with served_by(_Handler, served=served) as served.port:
        yield served
