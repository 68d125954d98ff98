"""Servers that a client reaches without a network: what they send is known before."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

Host = tuple[str, int]

_PIECE_BYTES = 64  # that arrive at once


class ServerInHand:
    """Answers each connection, whoever it is for, by what comes next; when nothing is left, connections are refused.

    ``requests`` has what each connection was sent, with host and port.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[Host, bytearray]] = []
        self._answers: list[bytes] = []

    def begin(self, answers: Sequence[bytes]) -> None:
        """From now on these are sent."""
        self.requests = []
        self._answers = list(answers)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Until the end of the block, whoever connects by Python's sockets gets here."""
        with mock.patch.object(socket, "create_connection", self._connected):
            yield

    def _connected(self, address: Host, *_: Any, **__: Any) -> _Socket:
        host, port = address
        if not self._answers:
            raise ConnectionRefusedError
        if not 0 <= port < 1 << 63:
            raise OverflowError("Python int too large to convert to C long")  # as Python's own does
        host.encode("idna")  # so does this
        self.requests.append((address, bytearray()))
        return _Socket(self._answers.pop(0), self.requests[-1][1])


class _Socket:
    """As much of a socket as HTTP needs."""

    def __init__(self, answer: bytes, heard: bytearray) -> None:
        self._answer = answer
        self._heard = heard

    def sendall(self, data: bytes) -> None:
        self._heard += data

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Pieces(self._answer))

    def setsockopt(self, *_: Any) -> None:
        pass

    def settimeout(self, _: float) -> None:
        pass

    def close(self) -> None:
        pass


class _Pieces(io.RawIOBase):
    """Gives a few bytes at once."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, self._content = self._content[:_PIECE_BYTES], self._content[_PIECE_BYTES:]
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        self._content = piece[size:] + self._content
        return size
