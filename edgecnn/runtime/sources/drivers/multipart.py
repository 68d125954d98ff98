"""The parts of ``multipart/x-mixed-replace``: how cameras send JPEG after JPEG over HTTP (RFC 2046, section 5.1).

Cameras differ: some give no Content-Length, some repeat the dashes in the boundary they announce, some announce none.
What is read is bounded, so that a server cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from typing import Protocol

__all__ = ["MAX_PART_BYTES", "BadStreamError", "boundary_of", "iterate_parts"]

MAX_PART_BYTES = 64 * 2**20
_MAX_LINE_BYTES = 16 * 2**10
_MAX_HEADER_LINES = 64


class BadStreamError(Exception):
    """What arrives is no multipart stream, or is larger than any image."""


class Stream(Protocol):
    """What is read from: an HTTP response, a file."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type announces, without dashes before it; empty where it announces none."""
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_param("boundary")
    return str(found or "").strip().lstrip("-").encode("latin-1", "replace")


def iterate_parts(stream: Stream, boundary: bytes) -> Iterator[bytes]:
    """The bytes of each part until the stream ends; a part that the end cuts short is left out.

    Raises:
        BadStreamError: no boundary where one must stand, or too much before the next.
        OSError: the connection broke.
    """
    if not _find_boundary(stream, boundary):
        return
    while True:
        length = _length(_headers(stream))
        part = _read_exactly(stream, length) if length else _read_to_boundary(stream, boundary)
        if part is None:
            return
        yield part
        if length and not _find_boundary(stream, boundary):
            return


def _is_boundary(line: bytes, boundary: bytes) -> bool:
    return (
        line.startswith(b"--") and line.strip().strip(b"-") == boundary.strip(b"-")
        if boundary
        else line.startswith(b"--")
    )


def _find_boundary(stream: Stream, boundary: bytes) -> bool:
    """Whether another part begins; what stands before its boundary is passed over."""
    passed = 0
    while line := stream.readline(_MAX_LINE_BYTES):
        if _is_boundary(line, boundary):
            return not (boundary and line.strip().endswith(b"--") and not boundary.endswith(b"--"))  # the closing one
        passed += len(line)
        if passed > MAX_PART_BYTES:
            raise BadStreamError(f"no boundary '{boundary.decode('latin-1')}' within {MAX_PART_BYTES // 2**20} MiB")
    return False


def _headers(stream: Stream) -> Message:
    lines: list[bytes] = []
    for _ in range(_MAX_HEADER_LINES):
        line = stream.readline(_MAX_LINE_BYTES)
        if not line.strip():
            return BytesParser().parsebytes(b"".join(lines))
        lines.append(line)
    raise BadStreamError(f"a part has more than {_MAX_HEADER_LINES} header lines")


def _length(headers: Message) -> int:
    """Bytes of the part; 0 where it is not told."""
    told = str(headers.get("Content-Length", "")).strip()
    length = int(told) if told.isascii() and told.isdigit() else 0
    if length > MAX_PART_BYTES:
        raise BadStreamError(f"a part of {length / 2**20:.0f} MiB, at most {MAX_PART_BYTES // 2**20} are read")
    return length


def _read_exactly(stream: Stream, length: int) -> bytes | None:
    part = bytearray()
    while len(part) < length:
        piece = stream.read(length - len(part))
        if not piece:
            return None
        part += piece
    return bytes(part)


def _read_to_boundary(stream: Stream, boundary: bytes) -> bytes | None:
    part = bytearray()
    while line := stream.readline(_MAX_LINE_BYTES):
        if _is_boundary(line, boundary):
            return bytes(part.removesuffix(b"\r\n"))
        part += line
        if len(part) > MAX_PART_BYTES:
            raise BadStreamError(f"a part of more than {MAX_PART_BYTES // 2**20} MiB")
    return None
