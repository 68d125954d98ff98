"""How the hash of a model file is written for people."""

from __future__ import annotations

__all__ = ["short_hash"]


def short_hash(sha256: str) -> str:
    """The first twelve digits of a SHA-256: enough to tell the files of a device apart."""
    return sha256[:12]
