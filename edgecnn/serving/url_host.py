"""How a host is written in a URL."""

from __future__ import annotations

__all__ = ["url_host"]


def url_host(host: str) -> str:
    """A name or an address as it stands before a colon and a port: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host
