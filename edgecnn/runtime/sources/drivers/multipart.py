"""Parses ``multipart/x-mixed-replace``: a sequence of JPEG images over HTTP (RFC 2046, section 5.1).

Some cameras send no Content-Length, some include the dashes in the declared boundary, some declare no boundary. The
size of all data is limited, so that a server cannot fill the memory.
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
    """The data are not a multipart stream, or exceed the size limit."""


class Stream(Protocol):
    """A readable stream: an HTTP response or a file."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


def boundary_of(content_type: str) -> bytes:
    """Returns the boundary of a Content-Type, without leading dashes; empty if it has none."""
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_param("boundary")
    return str(found or "").strip().lstrip("-").encode("latin-1", "replace")


def iterate_parts(stream: Stream, boundary: bytes) -> Iterator[bytes]:
    """Yields the bytes of each part until the stream ends. An incomplete last part is skipped.

    Raises:
        BadStreamError: a boundary is missing, or a part exceeds the size limit.
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
    """Skips data up to the next boundary. Returns whether another part begins."""
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
    """Returns the Content-Length of the part, in bytes; 0 if it has none."""
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
