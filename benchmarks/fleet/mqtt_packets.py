"""MQTT packets: written, and taken from what was received (MQTT 3.1.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(content)) + content


def packet(kind: int, body: bytes) -> bytes:
    """An MQTT packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (128 if rest else 0))
        if not rest:
            return bytes([kind, *length]) + body


def packets(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Takes the whole packets from what was received."""
    while len(received) >= 2:
        size = next((n for n, byte in enumerate(received[1:5], 1) if byte < 128), None)
        if size is None:
            return
        at = 1 + size
        length = sum((byte & 127) << 7 * n for n, byte in enumerate(received[1:at]))
        if len(received) < at + length:
            return
        yield received[0], bytes(received[at : at + length])
        del received[: at + length]
