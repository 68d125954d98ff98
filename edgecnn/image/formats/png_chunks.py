"""The chunks of a PNG (PNG specification, third edition, clause 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["png_chunks"]

_MOST = 200_000
"""With each chunk Python takes a step, and a file could have millions."""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each chunk, where its content begins, and where the chunk ends, which may be after the file."""
    position = 8
    for _ in range(_MOST):
        if position + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        position += 12 + length
        yield kind, start, position
