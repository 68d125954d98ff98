"""A request to the service: line and headers as HTTP/1.1 has them, and the body. The image decoder is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

import h11
from fuzz.promises import Look, Outcome, require, require_line
from fuzz.service_in_hand import ServiceInHand, service_in_hand
from fuzz.stand_in_decoder import stand_in_decoder
from serving.http.attack import TOKEN

LONGEST = 4096
_PATHS = (
    "/api/classify", "/api/image", "/api/info", "/api/state", "/v2/models/main/infer", "/api/sources/door/regions",
    "/api/sources/door/realign", "/api/sources/door/image", "/api/sources/door/why", "/api/models",
    "/api/models/accept", "/api/models/reject", "/api/rollback", "/api/collect", "/api/collect/label",
    "/api/collect/discard", "/api/teach", "/api/teach/cancel", "/api/teach/next", "/metrics",
)  # fmt: skip
WORDS = (
    *(f" {path}".encode() for path in _PATHS), b"POST ", b"PUT ", b"GET ", b"?model=main", b"?after=", b"?limit=",
    b"&offset=", b"?source=door", b"?view=", b"\r\n\r\n", b"\r\nHost: 127.0.0.1\r\n", b"\r\nOrigin: http://127.0.0.1",
    b"\r\nAuthorization: Bearer " + TOKEN.encode(), b"\r\nContent-Type: multipart/form-data; boundary=b",
    b"; charset=utf-7", b"--b\r\n", b"\r\n--b--\r\n", b'Content-Disposition: form-data; name="file"; filename="a.png"',
    b"filename*=utf-8''%ff", b"\r\nContent-Encoding: gzip", b"\r\nInference-Header-Content-Length: ",
    b"\r\nSec-Fetch-Site: cross-site", b"\r\nX-Forwarded-For: x", b"\r\nUpgrade: websocket", b'{"regions": [',
    b'{"name": "left", "roi": "0,0,0.5,1"}', b'{"ids": ["a"], "label": "b"}', b'{"id": "a"}', b'{"replace": true}',
    b'{"max_drop": 0.5}', b"\\ud800", b"\\n", b"\\u0000", b"1e999", b"NaN", b"[[[[[[[[",
)  # fmt: skip
_ENDLESS = "/api/events"  # its answer goes on until the client has gone
_FAULTS = frozenset((500, 507))


@contextmanager
def opened() -> Iterator[Look]:
    with stand_in_decoder(), service_in_hand() as service:
        yield partial(_look, service)


def _look(service: ServiceInHand, data: bytes) -> Outcome:
    head, _, body = data.partition(b"\r\n\r\n")
    scope = _scope(head)
    if scope is None or scope["path"] == _ENDLESS:
        return "refused"
    before = service.state()
    answered = service.answer(scope, body)
    require(answered.status not in _FAULTS, f"status {answered.status}: {answered.content[:200]!r}")
    if answered.status < 400:
        service.forget()
        return "accepted"
    require(service.state() == before, f"a refusal with {answered.status} has changed something")
    if scope["method"] != "HEAD" and not scope["path"].startswith("/readyz"):  # it tells more than an error
        require_line(json.loads(answered.content)["error"])
    return "refused"


def _scope(head: bytes) -> dict[str, Any] | None:
    """What uvicorn makes of the head of a request; None: the parser of HTTP refuses it."""
    line, *lines = head.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1":
        return None
    fields = [tuple(part.strip(b" \t") for part in line.split(b":", 1)) for line in lines if b":" in line]
    try:
        request = h11.Request(method=words[0], target=words[1], headers=fields)
    except h11.ProtocolError:
        return None
    path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 4912),
        "client": ("127.0.0.1", 5555),
        "scheme": "http",
        "method": request.method.decode("ascii"),
        "root_path": "",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "headers": [(name.lower(), value) for name, value in request.headers],
    }
