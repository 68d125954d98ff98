"""The address of a webhook."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from edgecnn.errors import UsageError
from edgecnn.serving.url_host import url_host

__all__ = ["HookAddress"]


@dataclass(frozen=True)
class HookAddress:
    """An address, taken apart. Its path may be a secret, as with many chat systems: only ``name`` is shown."""

    tls: bool
    host: str
    port: int
    target: str = field(repr=False)  # path and query
    login: str | None = field(repr=False)  # value of the header `Authorization`

    @classmethod
    def parse(cls, text: str, where: str) -> HookAddress:
        """Takes an address apart.

        Args:
            text: http:// or https:// address, perhaps with a user name and a password.
            where: names the setting in errors.

        Raises:
            UsageError: it is none. The message does not repeat it.
        """
        wrong = UsageError(f"{where}: url is no address; expected http://HOST/PATH or https://HOST/PATH")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise wrong
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            raise wrong from None
        if url.scheme not in {"http", "https"} or not host or port == 0:
            raise wrong
        login = None
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
            login = f"Basic {base64.b64encode(pair).decode()}"
        tls = url.scheme == "https"
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        return cls(tls, host, port or (443 if tls else 80), target, login)

    @property
    def name(self) -> str:
        """The address without what may be secret."""
        return f"{'https' if self.tls else 'http'}://{url_host(self.host)}:{self.port}"
