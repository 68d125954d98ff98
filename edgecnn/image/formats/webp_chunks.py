"""The chunks of a WebP (RFC 9649, section 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["webp_chunks"]

_MOST = 200_000
"""With each chunk Python takes a step, and a file could have millions."""


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each chunk, where its content begins, and where that ends, which may be after the file.

    Nothing for other data.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return
    position = 12
    for _ in range(_MOST):
        if position + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        start = position + 8
        position = start + length + length % 2
        yield kind, start, start + length
