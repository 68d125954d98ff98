"""Basic and digest authentication of HTTP (RFC 7617, RFC 7616), the strongest that a camera offers.

Python's own handlers read the first challenge alone, know no SHA-256 before 3.14, and send the password by Basic where
Digest was offered and failed.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

__all__ = ["AuthHandler"]

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}  # the strongest first
_TRIED = "edgecnn_authorized"


@dataclass(frozen=True)
class _Challenge:
    scheme: str  # in small letters
    values: dict[str, str]

    @property
    def algorithm(self) -> str:
        return self.values.get("algorithm", "MD5").upper()

    @property
    def rank(self) -> int:
        """The smaller, the stronger; -1: it cannot be answered."""
        name = self.algorithm.removesuffix("-SESS")
        known = list(_HASHES).index(name) if name in _HASHES and _HASHES[name] in hashlib.algorithms_available else -1
        qops = [qop.strip().lower() for qop in self.values.get("qop", "auth").split(",")]
        return known if "nonce" in self.values and "auth" in qops else -1


class AuthHandler(urllib.request.BaseHandler):
    """Answers a 401 of the camera's own host, once; other hosts get nothing.

    Args:
        origin: scheme, host and port of the camera, as in ``http://host:8080``.
        user: name.
        password: its password.
    """

    def __init__(self, origin: str, user: str, password: str) -> None:
        self._origin = _origin(origin)
        self._user, self._password = user, password

    def http_error_401(
        self,
        request: urllib.request.Request,
        answer: IO[bytes],
        code: int,  # noqa: ARG002  # urllib gives it
        message: str,  # noqa: ARG002
        headers: Message,
    ) -> object:
        """Sends the request again with the answer to the strongest challenge; None where there is none."""
        if getattr(request, _TRIED, False) or _origin(request.full_url) != self._origin:
            return None
        value = self._answer(_challenges(headers.get_all("WWW-Authenticate") or []), request)
        if value is None:
            return None
        answer.close()
        again = urllib.request.Request(request.full_url, headers=dict(request.header_items()))  # noqa: S310
        again.add_unredirected_header("Authorization", value)
        setattr(again, _TRIED, True)
        again.timeout = request.timeout
        return self.parent.open(again, timeout=request.timeout)

    def _answer(self, challenges: list[_Challenge], request: urllib.request.Request) -> str | None:
        digests = [c for c in challenges if c.scheme == "digest"]
        able = sorted((c for c in digests if c.rank >= 0), key=lambda c: c.rank)
        if able:
            return self._digest(able[0], request.get_method(), request.selector)
        if digests or not any(c.scheme == "basic" for c in challenges):
            return None  # never send the password itself where the camera offers Digest
        return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()

    def _digest(self, challenge: _Challenge, method: str, uri: str) -> str:
        """RFC 7616, section 3.4."""
        given = challenge.values
        function = _HASHES[challenge.algorithm.removesuffix("-SESS")]

        def hashed(*parts: str) -> str:
            return hashlib.new(function, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

        realm, nonce, cnonce = given.get("realm", ""), given["nonce"], os.urandom(8).hex()
        secret = hashed(self._user, realm, self._password)
        if challenge.algorithm.endswith("-SESS"):
            secret = hashed(secret, nonce, cnonce)
        fields = {"username": self._user, "realm": realm, "nonce": nonce, "uri": uri}
        if "qop" in given:
            fields["response"] = hashed(secret, nonce, "00000001", cnonce, "auth", hashed(method, uri))
            fields |= {"cnonce": cnonce}
        else:
            fields["response"] = hashed(secret, nonce, hashed(method, uri))
        if "opaque" in given:
            fields["opaque"] = given["opaque"]
        quoted = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        bare = ["qop=auth", "nc=00000001"] if "qop" in given else []
        bare += [f"algorithm={given['algorithm']}"] if "algorithm" in given else []
        return "Digest " + ", ".join(quoted + bare)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        parts.hostname,
        parts.port or http.client.HTTPS_PORT if parts.scheme == "https" else parts.port or 80,
    )


def _challenges(headers: list[str]) -> list[_Challenge]:
    """Of all headers; one header may hold several."""
    found: list[_Challenge] = []
    for part in (part for header in headers for part in urllib.request.parse_http_list(header)):
        before, equals, value = part.partition("=")
        scheme, space, name = before.strip().rpartition(" ")
        if space or not equals:
            found.append(_Challenge((scheme or before).strip().lower(), {}))
        if equals and found:
            found[-1].values[name.strip().lower()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"').replace("\\\\", "\\") if value[:1] == value[-1:] == '"' else value
