"""The headers that every answer has, whatever it answers."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["with_security_headers"]

_HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}


def with_security_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Returns the headers of an answer with those that a browser keeps to. None of them can be overridden: a browser
    that gets two values of one takes either."""
    return [*((name, value) for name, value in headers if name.lower() not in _HEADERS), *_HEADERS.items()]
