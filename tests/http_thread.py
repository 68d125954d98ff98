"""A web server in a thread, on a free port of 127.0.0.1."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # a client that goes away is none
        pass


@contextmanager
def served_by(handler: type[http.server.BaseHTTPRequestHandler], **attributes: object) -> Iterator[int]:
    """The port of a server whose handlers have these attributes."""
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), attributes))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
