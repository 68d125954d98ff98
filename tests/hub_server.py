"""A web server on 127.0.0.1 that plays a Hugging Face hub with one repository, as ``huggingface_hub`` asks for it."""

from __future__ import annotations

import hashlib
import http.server
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from http_thread import served_by

COMMIT = "c" * 40


@dataclass
class Hub:
    """What the hub has, and what it was asked."""

    repo: str
    files: Mapping[str, bytes]
    revisions: tuple[str, ...] = ("main", "v1", COMMIT)
    gated: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        listing = f"/api/models/{self.hub.repo}"
        resolving = f"/{self.hub.repo}/resolve/"
        if self.hub.gated and path.startswith((listing, resolving)):
            self._send(403, b"", ("X-Error-Code", "GatedRepo"))
        elif path.startswith(listing):
            self._list(path.removeprefix(listing).removeprefix("/revision/") or "main")
        elif path.startswith(resolving):
            self._resolve(*path.removeprefix(resolving).split("/", 1))
        else:
            self._send(404, b"", ("X-Error-Code", "RepoNotFound"))

    def _list(self, revision: str) -> None:
        if revision not in self.hub.revisions:
            self._send(404, b"", ("X-Error-Code", "RevisionNotFound"))
            return
        found = {"id": self.hub.repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.hub.files]}
        self._send(200, json.dumps(found).encode(), ("Content-Type", "application/json"))

    def _resolve(self, revision: str, name: str) -> None:
        if revision not in self.hub.revisions:
            self._send(404, b"", ("X-Error-Code", "RevisionNotFound"))
        elif name not in self.hub.files:
            self._send(404, b"", ("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", COMMIT))
        else:
            content = self.hub.files[name]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._send(200, content, ("ETag", etag), ("X-Repo-Commit", COMMIT))

    def _send(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def hub_server(repo: str, files: Mapping[str, bytes], **options: object) -> Iterator[Hub]:
    hub = Hub(repo, files, **options)  # type: ignore[arg-type]
    with served_by(_Handler, hub=hub) as port:
        hub.url = f"http://127.0.0.1:{port}"
        yield hub
