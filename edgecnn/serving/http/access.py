"""Who may ask for what: the Host and Origin of a request, and the token."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.http.answers import refusal

__all__ = ["Access", "AccessRules", "Handler", "is_loopback"]

Access = Literal["open", "read", "change"]
"""What a request does. ``open``: says nothing private. ``read``: needs the token unless the service listens on loopback
alone. ``change``: always needs it."""

Handler: TypeAlias = "Callable[[Request], Awaitable[Response]]"

_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
_SCHEME = "bearer "


@dataclass(frozen=True)
class AccessRules:
    """Checks requests.

    A page of another site can make a browser send requests here, or resolve its own name to this address. Such requests
    have a foreign Origin or Host.
    """

    token: str
    host: str  # that the service listens on
    allowed_hosts: frozenset[str] = frozenset()  # besides the address itself

    def foreign(self, request: Request) -> Response | None:
        """Returns the refusal of a request from elsewhere; None: it may go on."""
        host = request.headers.get("host", "")
        if not self._is_own(_hostname(host)):
            return refusal(
                403, "this Host is not served here; call the service by its address, or add the name to allowed_hosts"
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return refusal(403, "requests from pages of other sites are refused")
        site = request.headers.get("sec-fetch-site", "none")
        if site in ("cross-site", "same-site") and request.headers.get("sec-fetch-mode") != "navigate":
            return refusal(403, "requests from pages of other sites are refused")
        return None

    def guard(self, handler: Handler, access: Access) -> Handler:
        """The handler, for those who may ask."""

        async def guarded(request: Request) -> Response:
            if access == "open" or (access == "read" and is_loopback(self.host)) or self._has_token(request):
                return await handler(request)
            answer = refusal(401, "a token is needed: send it as 'Authorization: Bearer TOKEN'")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer

        return guarded

    def _has_token(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        if given[: len(_SCHEME)].lower() != _SCHEME:
            return False
        # As bytes: compare_digest takes no other text than ASCII
        return hmac.compare_digest(given[len(_SCHEME) :].strip().encode(), self.token.encode())

    def _is_own(self, name: str) -> bool:
        if name in self.allowed_hosts:
            return True
        if is_loopback(self.host):
            return name in _LOOPBACK_NAMES
        machine = socket.gethostname().lower()
        # An address cannot be made to point here by another site's name server
        return _is_address(name) or name in {self.host.lower(), machine, f"{machine}.local", "localhost"}


def _hostname(host: str) -> str:
    """The name of a Host header, without its port and in small letters."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
