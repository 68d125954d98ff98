"""A file over HTTP, read from any place where the server allows it."""

from __future__ import annotations

import http.client
import io
import os

from edgecnn.runtime.sources.drivers.driver import DriverError
from edgecnn.runtime.sources.drivers.http_open import FAILURES, HttpClient, why

__all__ = ["HttpFile"]

_MOST_DIGITS = 18  # of a length: FFmpeg's are of 64 bits
_SKIPPED_BYTES = 2**18  # a place so little ahead is sooner read up to than asked for


class HttpFile:
    """What FFmpeg reads a video from: with the account, cookies and timeouts of :class:`HttpClient`, unlike FFmpeg's
    own HTTP, which knows no digest but MD5.

    Args:
        client: of the address.

    Raises (from any method that asks the server):
        DriverError: refused, not found, or silent.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._place = self._response_place = 0
        self._response: http.client.HTTPResponse | None = None
        self.broken: DriverError | None = None
        """Why reading failed last."""
        response = self._ask(0)
        self.length = _length(response)
        """Bytes in all; None: a live stream."""
        self._ranges = response.status == http.client.PARTIAL_CONTENT

    def seekable(self) -> bool:
        """Whether the server sends parts of the file."""
        return self._ranges and self.length is not None

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place; the server is asked when the next byte is read."""
        if not self.seekable():
            raise io.UnsupportedOperation("the server sends no parts of files")
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.length or 0}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes as soon as some are there; empty at the end."""
        if self.length is not None and self._place >= self.length:
            return b""
        try:
            piece = self._from(self._place).read1(size)
            if not piece and self.length is not None:
                raise DriverError("the server ended the stream within the file")  # noqa: TRY301
        except DriverError as error:
            self.broken = error
            raise
        except FAILURES as error:
            self.broken = DriverError(why(error, self._client.timeout_s))
            raise self.broken from error
        self._place += len(piece)
        self._response_place = self._place
        return piece

    def close(self) -> None:
        """Ends the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _from(self, place: int) -> http.client.HTTPResponse:
        """The answer that goes on at a place."""
        response = self._response
        ahead = place - self._response_place
        if response is not None and 0 < ahead <= _SKIPPED_BYTES:
            while ahead and (skipped := response.read1(min(ahead, 2**16))):
                ahead -= len(skipped)
        return self._ask(place) if response is None or ahead else response

    def _ask(self, place: int) -> http.client.HTTPResponse:
        self.close()
        response = self._client.open(headers={"Range": f"bytes={place}-"})
        if place and response.status != http.client.PARTIAL_CONTENT:
            response.close()
            raise DriverError("the server stopped sending parts of the file")
        self._response, self._response_place = response, place
        return response


def _length(response: http.client.HTTPResponse) -> int | None:
    """Bytes of the whole file, as far as the server tells them and FFmpeg can count them."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    told = total.isascii() and total.isdecimal() and len(total) <= _MOST_DIGITS
    length = int(total) if told else response.length
    return length if length is None or length < 10**_MOST_DIGITS else None
