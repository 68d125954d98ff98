"""Removes passwords in addresses from everything that is printed, logged or stored."""

from __future__ import annotations

import re

__all__ = ["secrets_in", "without_login", "without_passwords"]

_HIDDEN = "***"

# A text that is an address and nothing else: up to its last @, whatever stands before, since a password may hold
# anything; the slashes may be too few
_WHOLE = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*:/*)(?P<user>.*)@(?=[^@]*\Z)", re.IGNORECASE | re.DOTALL)

# One within a text: up to the last @ before a space; hiding too much of an address harms nobody
_WITHIN = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>\S*)@", re.IGNORECASE)

# An address without its scheme; a name of two letters at least, since C:\ is a drive
_NO_SCHEME = re.compile(r"\A(?P<head>(?:[\w.+-]*//)?)[^/\\\s:@]{2,}:[^\\]*@(?=[^@]*\Z)")

# ?user=admin&pwd=1234 as many cameras take it, and user-pw="…" of GStreamer's rtspsrc
_PARAMETER = re.compile(
    r"(?P<name>[\w.-]*(?:pass|pw|token|secret|auth|key|user|usr|login)[\w.-]*=)(?P<value>\"[^\"]*\"|'[^']*'|[^&;\s]+)",
    re.IGNORECASE,
)


def without_passwords(text: str, *, whole: bool = False) -> str:
    """Replaces user names, passwords and keys of addresses in a text by ``***``.

    ``whole``: the text is a single address.
    """
    users = _WHOLE if whole else _WITHIN
    return _PARAMETER.sub(rf"\g<name>{_HIDDEN}", users.sub(rf"\g<scheme>{_HIDDEN}@", text))


def without_login(path: str) -> str:
    """Replaces the user name and password in what was taken for a path, and is an address without its scheme."""
    return _NO_SCHEME.sub(rf"\g<head>{_HIDDEN}@", path)


def secrets_in(text: str, *, whole: bool = False) -> tuple[str, ...]:
    """Returns the passwords and keys of addresses in a text, as written and URL-decoded, longest first.

    Error messages of libraries may contain one of them without its address.
    """
    found = {match["value"].strip("\"'") for match in _PARAMETER.finditer(text)}
    for match in (_WHOLE if whole else _WITHIN).finditer(text):
        _, _, password = match["user"].partition(":")
        found.add(password or match["user"])
        # Where a library took one of these for the end
        found |= {piece for piece in re.split("[@/?#]", password) if len(piece) > 3}
    from urllib.parse import unquote  # noqa: PLC0415  # only a message about an address needs it

    found |= {unquote(secret) for secret in found}
    return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))
