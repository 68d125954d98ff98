"""Keeps passwords in addresses out of everything that is printed, logged or stored."""

from __future__ import annotations

import re

__all__ = ["secrets_in", "without_passwords"]

_HIDDEN = "***"

# Up to the last @: a password may hold one, and hiding too much of an address harms nobody
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s\"'<>]*)@", re.IGNORECASE)

# ?user=admin&pwd=1234 as many cameras take it, and user-pw=… of GStreamer's rtspsrc
_PARAMETER = re.compile(
    r"(?P<name>[\w.-]*(?:pass|pwd|passwd|password|token|secret|auth|apikey|api_key|key|user-pw|user-id|user|usr|login)[\w.-]*=)(?P<value>[^&;\s\"'<>]+)",
    re.IGNORECASE,
)


def without_passwords(text: str) -> str:
    """The text with user names, passwords and keys of addresses replaced by ``***``."""
    return _PARAMETER.sub(rf"\g<name>{_HIDDEN}", _USER.sub(rf"\g<scheme>{_HIDDEN}@", text))


def secrets_in(address: str) -> tuple[str, ...]:
    """The passwords and keys of an address, as written and decoded: a library may repeat one of them alone. Longest first."""
    found = {match["value"] for match in _PARAMETER.finditer(address)}
    for match in _USER.finditer(address):
        _, _, password = match["user"].partition(":")
        found.add(password or match["user"])
        found |= {piece for piece in re.split("[@/]", password) if len(piece) > 3}  # where a library took one of these for the end
    from urllib.parse import unquote  # noqa: PLC0415  # only a message about an address needs it

    found |= {unquote(secret) for secret in found}
    return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))
