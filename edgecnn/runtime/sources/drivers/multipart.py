"""The images of an MJPEG stream over HTTP (RFC 2046, section 5.1), each as soon as it is whole.

Cameras differ: some give no Content-Length, some repeat the dashes in the boundary they announce, announce another or
none, some send JPEG after JPEG with nothing between. A JPEG tells its own end, so it is known to be whole when its last
byte is there, not when the next one begins. What is kept is bounded, so that a server cannot fill the memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from edgecnn.image.formats.jpeg_segments import EOI, MARKER, SOI, TEM

__all__ = ["MAX_PART_BYTES", "BadStreamError", "Part", "PartParser", "boundary_of"]

MAX_PART_BYTES = 64 * 2**20
_MAX_LINE_BYTES = 16 * 2**10
_MAX_HEADER_BYTES = 64 * 2**10

_BEGIN = b"\xff\xd8\xff"
_START = re.compile(rb"(?:\A|(?<=\n))--[^\r\n]*\r?\n|\xff\xd8\xff")  # a boundary's line, or a JPEG
_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")


class BadStreamError(Exception):
    """What arrives is no multipart stream, or is larger than any image."""


@dataclass(frozen=True)
class Part:
    """The bytes of one image, and when the first of them arrived, by the clock of :meth:`PartParser.feed`."""

    content: bytes
    first_s: float


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type announces, without dashes before it; empty where it announces none."""
    message = Message()
    message["Content-Type"] = content_type
    try:
        found = message.get_param("boundary")
    except (TypeError, ValueError, LookupError):  # in pieces that Python cannot put in order (RFC 2231)
        found = None
    return str(found or "").strip().lstrip("-").encode("latin-1", "replace")


class PartParser:
    """Takes bytes as they arrive and gives each part when it is whole; a part that the end cuts short is left out.

    Args:
        boundary: as announced; the stream's own is believed where it is another.
    """

    def __init__(self, boundary: bytes = b"") -> None:
        self.ended = False
        """Whether the closing boundary has come."""
        self._announced = boundary.strip(b"-")
        self._boundary: bytes | None = None  # as the stream has it, dashes and all
        self._buffer = bytearray()
        self._first = 0  # place in the stream of the buffer's first byte
        self._marks: deque[tuple[int, float]] = deque()  # place of each piece's first byte, and when it came
        self._length = 0  # of the body, as its header says; 0: it does not
        self._skip = 0  # bytes of the last part that are left
        self._place = 0  # in the buffer: how far a body has been looked through
        self._state: Callable[[], Iterator[Part] | None] = self._between

    def feed(self, piece: bytes, now_s: float) -> Iterator[Part]:
        """The parts that a piece completes.

        Raises:
            BadStreamError: a part, its header, or what stands before it is too large.
        """
        self._marks.append((self._first + len(self._buffer), now_s))
        self._buffer += piece
        while not self.ended:
            found = self._state()
            if found is None:
                break
            yield from found
        if len(self._buffer) > MAX_PART_BYTES:
            raise BadStreamError(f"a part of more than {MAX_PART_BYTES // 2**20} MiB")

    def _between(self) -> Iterator[Part] | None:
        """Looks for the next part: a boundary, or a JPEG without one. None: more bytes are needed."""
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            self._skip -= skipped
            self._drop(skipped)
            if self._skip:
                return None
        start = _START.search(self._buffer)
        if start is None:
            self._drop(max(0, len(self._buffer) - _MAX_LINE_BYTES))
            return None
        if start[0] == _BEGIN:
            self._drop(start.start())
            self._begin_body(0)
            return iter(())
        line = start[0].strip()
        self._drop(start.end())
        if self._closes(line):
            self.ended = True
            return None
        self._boundary = line
        self._state = self._header
        return iter(())

    def _closes(self, line: bytes) -> bool:
        if self._boundary is not None:
            return line == self._boundary + b"--"
        return bool(self._announced) and line.endswith(b"--") and line.strip(b"-") == self._announced

    def _header(self) -> Iterator[Part] | None:
        end = _BLANK_LINE.search(self._buffer)
        soi = self._buffer.find(_BEGIN, 0, end.start() if end else len(self._buffer))
        if soi >= 0:  # no blank line before the image
            self._drop(soi)
            self._begin_body(0)
            return iter(())
        if end is None:
            if len(self._buffer) > _MAX_HEADER_BYTES:
                raise BadStreamError(f"a part's header has more than {_MAX_HEADER_BYTES // 2**10} KiB")
            return None
        headers = BytesParser().parsebytes(bytes(self._buffer[: end.end()]), headersonly=True)
        self._drop(end.end())
        self._begin_body(_length(headers))
        return iter(())

    def _begin_body(self, length: int) -> None:
        self._length, self._place = length, 2
        self._state = self._body

    def _body(self) -> Iterator[Part] | None:
        if self._buffer[:3] == _BEGIN:
            end = self._jpeg_end()
        elif len(self._buffer) < 3:
            return None
        else:
            end = self._length if self._length and len(self._buffer) >= self._length else self._boundary_ahead()
        if end is None and self._length and len(self._buffer) >= self._length:
            end = self._length  # a JPEG without its end: the decoder reports it
        if end is None:
            return None
        part = Part(bytes(self._buffer[:end]), self._came_s(self._first))
        self._skip = max(0, self._length - end)  # of several images in one part (MPO) the first counts
        self._drop(end)
        self._state = self._between
        return iter((part,))

    def _jpeg_end(self) -> int | None:
        """Where the JPEG at the buffer's begin ends; None: not yet. Segments are passed over whole, so that the
        thumbnail within one, a JPEG of its own, ends nothing."""
        while found := MARKER.search(self._buffer, self._place):
            code = found[1][0]
            if code == EOI:
                return found.end()
            if code == SOI:  # the next one: this one was cut short
                return found.start()
            if code == TEM:
                self._place = found.end()
                continue
            if found.end() + 2 > len(self._buffer):
                self._place = found.start()
                return None
            self._place = found.end() + max(2, int.from_bytes(self._buffer[found.end() : found.end() + 2], "big"))
        self._place = max(self._place, len(self._buffer) - 1)
        return None

    def _boundary_ahead(self) -> int | None:
        """Where a body of unknown length and kind ends."""
        if self._length or self._boundary is None:
            return None
        at = self._buffer.find(b"\n" + self._boundary, max(0, self._place - len(self._boundary) - 1))
        self._place = len(self._buffer)
        if at < 0:
            return None
        return at - 1 if self._buffer[at - 1 : at] == b"\r" else at

    def _came_s(self, place: int) -> float:
        """When the byte at a place of the stream arrived."""
        while len(self._marks) > 1 and self._marks[1][0] <= place:
            self._marks.popleft()
        return self._marks[0][1]

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._first += count
        self._came_s(self._first)


def _length(headers: Message) -> int:
    """Bytes of the part; 0 where it is not told."""
    told = str(headers.get("Content-Length", "")).strip()
    length = int(told) if told.isascii() and told.isdigit() and len(told) < 16 else 0
    if length > MAX_PART_BYTES:
        raise BadStreamError(f"a part of {length / 2**20:.0f} MiB, at most {MAX_PART_BYTES // 2**20} are read")
    return length
