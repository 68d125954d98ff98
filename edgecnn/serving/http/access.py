"""Who may ask for what: the Host and Origin of a request, and the token."""

from __future__ import annotations

import hmac
import ipaddress
import re
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

_SCHEME = "bearer "
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_ONCE = ("host", "origin", "authorization", "sec-fetch-site", "sec-fetch-mode")
_FOREIGN_PAGE = "requests from pages of other sites are refused"
_NOT_SENT = "a token is needed: send it as 'Authorization: Bearer TOKEN'"
_NOT_ACCEPTED = "this is not the token of this service; `edgecnn serve` prints it, or its file, at its start"


@dataclass(frozen=True)
class AccessRules:
    """Checks requests.

    A page of another site can make a browser send requests here, or resolve its own name to this address. Such requests
    have a foreign Origin or Host.
    """

    token: str
    host: str  # that the service listens on
    allowed_hosts: frozenset[str] = frozenset()  # besides the address itself, in small letters

    def foreign(self, request: Request) -> Response | None:
        """Returns the refusal of a request from elsewhere; None: it may go on."""
        if twice := [name for name in _ONCE if len(request.headers.getlist(name)) > 1]:
            return refusal(400, f"the header {twice[0].title()} may be sent once")
        host = request.headers.get("host", "").lower()
        name = _hostname(host)
        if name is None or not self._is_own(name):
            return refusal(
                403, "this Host is not served here; call the service by its address, or add the name to allowed_hosts"
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}", f"https://{host}"}:
            return refusal(403, _FOREIGN_PAGE)
        if request.headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"} and not _is_visit(request):
            return refusal(403, _FOREIGN_PAGE)
        return None

    def guard(self, handler: Handler, access: Access) -> Handler:
        """The handler, for those who may ask."""

        async def guarded(request: Request) -> Response:
            if access == "open" or (access == "read" and self._is_local(request)) or self.has_token(request):
                return await handler(request)
            answer = refusal(401, _NOT_ACCEPTED if "authorization" in request.headers else _NOT_SENT)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer

        return guarded

    def has_token(self, request: Request) -> bool:
        """Whether the client has shown the token."""
        given = request.headers.get("authorization", "")
        if given[: len(_SCHEME)].lower() != _SCHEME:
            return False
        # As bytes: compare_digest takes no other text than ASCII
        return hmac.compare_digest(given[len(_SCHEME) :].strip().encode(), self.token.encode())

    def _is_local(self, request: Request) -> bool:
        """Whether it was sent on this machine. What a proxy hands on comes from there too, and its clients do not."""
        if not is_loopback(self.host) or any(header in request.headers for header in _FORWARDED):
            return False
        name = _hostname(request.headers.get("host", ""))
        return name is not None and is_loopback(name)

    def _is_own(self, name: str) -> bool:
        if name in self.allowed_hosts or is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        machine = socket.gethostname().lower()
        # An address cannot be made to point here by another site's name server
        return _is_address(name) or name in {self.host.lower(), machine, f"{machine}.local"}


def _is_visit(request: Request) -> bool:
    """Whether somebody follows a link from another site: it shows the page to them, and to nobody else."""
    return request.headers.get("sec-fetch-mode") == "navigate" and request.method in {"GET", "HEAD"}


def _hostname(host: str) -> str | None:
    """The name of a Host header, without its port and in small letters; None: it is no name and no address."""
    found = _HOST.fullmatch(host.lower())
    return None if found is None else found["v6"] or found["name"]


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
