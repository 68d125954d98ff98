"""One request to a webhook, within a time limit."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from edgecnn.serving.webhooks.address import HookAddress

__all__ = ["Outcome", "post"]

_WORTH_ANOTHER = {408, 429}  # of 4xx: the request itself is not what is wrong


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    reason: str | None  # why it failed; None: it did not
    again: bool  # whether another attempt may help


def post(address: HookAddress, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Outcome:
    """Sends a body by POST and waits for the status. Redirects are not followed.

    Args:
        address: where to.
        body: what.
        headers: besides those of HTTP itself.
        timeout_s: for all of it, except for the name's look-up.
    """
    connection = _connection(address, timeout_s)
    expired = threading.Event()
    late = threading.Timer(timeout_s, _abort, [connection, expired])
    late.daemon = True
    late.start()
    try:
        connection.request("POST", address.target, body, dict(headers))
        return _judge(connection.getresponse().status)
    except ssl.SSLCertVerificationError as error:
        return Outcome(f"its certificate is not trusted ({error.verify_message})", again=True)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError) or expired.is_set():
            return Outcome(f"no answer within {timeout_s:g} s", again=True)
        return Outcome(f"no answer ({getattr(error, 'strerror', None) or type(error).__name__})", again=True)
    finally:
        late.cancel()
        connection.close()


def _connection(address: HookAddress, timeout_s: float) -> http.client.HTTPConnection:
    if address.tls:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(address.host, address.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)


def _abort(connection: http.client.HTTPConnection, expired: threading.Event) -> None:
    """Ends a request from another thread: a server that sends a byte now and then would keep it alive for ever."""
    expired.set()  # first: the request ends before this thread does
    with suppress(OSError, AttributeError):  # it has just been closed
        connection.sock.shutdown(socket.SHUT_RDWR)


def _judge(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome(None, again=False)
    if 300 <= status < 400:
        return Outcome(f"answers with a redirect ({status}), which is not followed; give the final url", again=False)
    return Outcome(f"answers with {status}", again=status >= 500 or status in _WORTH_ANOTHER)
