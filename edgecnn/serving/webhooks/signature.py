"""The signature by which a receiver knows who has sent a body, and when."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from edgecnn.errors import InputNotFoundError, UsageError

__all__ = ["read_secret", "signature"]

_LEAST_BYTES = 16


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Value of the header ``X-EdgeCNN-Signature``.

    Args:
        secret: the key that sender and receiver share.
        timestamp: value of the header ``X-EdgeCNN-Timestamp``. It is signed too, so that a receiver can refuse a body
            that somebody has recorded and sends again.
        body: of the request.
    """
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_secret(path: Path) -> bytes:
    """Reads the key from its file.

    Raises:
        InputNotFoundError: it cannot be read.
        UsageError: it is too short to be safe.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise InputNotFoundError(
            f"{path}: the key of a webhook cannot be read: {error.strerror or error}; write it there"
        ) from None
    if len(secret) < _LEAST_BYTES:
        raise UsageError(
            f"{path}: the key has {len(secret)} bytes, expected at least {_LEAST_BYTES}; "
            "`openssl rand -base64 24` makes one"
        )
    return secret
