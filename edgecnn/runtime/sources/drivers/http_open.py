"""Opens an address of a camera over HTTP as cameras need it.

Passwords go to its own host alone, cookies come along on redirects, and the first line of an answer may be
``ICY 200 OK``.
"""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from http.cookiejar import Cookie, CookieJar
from typing import Any, cast
from urllib.parse import unquote, urlunsplit

from edgecnn.error_text import one_line, shortened
from edgecnn.runtime.sources.drivers.driver import DriverError, split_address
from edgecnn.runtime.sources.drivers.http_auth import AuthHandler

__all__ = ["FAILURES", "HttpClient", "why"]

_UNREADABLE = (TypeError, LookupError)  # of a parameter in pieces that cannot be put in order (RFC 2231)
FAILURES = (OSError, ValueError, OverflowError, http.client.HTTPException, *_UNREADABLE)
"""What Python's HTTP raises, whatever the server sends; OverflowError: of a port of 20 digits in a redirection."""

_LONGEST_REASON = 200  # characters
_ICY = b"ICY "
_HEADERS = {"User-Agent": "edgecnn", "Accept": "multipart/x-mixed-replace, image/*, video/*, */*;q=0.5"}


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Leaves the body of a redirection unread: Python would take all of it into memory, however long it is."""

    def http_error_302(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


# Those of `urllib.request.build_opener` without FTP, files and data: a camera may redirect to HTTP alone
_OF_PYTHON = (
    urllib.request.ProxyHandler,
    urllib.request.UnknownHandler,
    urllib.request.HTTPDefaultErrorHandler,
    _Redirects,
    urllib.request.HTTPErrorProcessor,
)


class _AfterFirstLine(io.RawIOBase):
    """A stream with its first line written anew."""

    def __init__(self, line: bytes, rest: io.BufferedReader) -> None:
        self._line, self._rest = line, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._line:
            return self._rest.readinto1(buffer)
        taken, self._line = self._line[: len(buffer)], self._line[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._rest.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Takes SHOUTcast's first line, which some cameras and encoders send, for HTTP's."""

    def begin(self) -> None:
        source = self.fp
        if source is not None and source.peek(len(_ICY))[: len(_ICY)] == _ICY:
            line = source.readline(2**16)
            self.fp = io.BufferedReader(_AfterFirstLine(b"HTTP/1.0 " + line[len(_ICY) :], source))
        super().begin()


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Response


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _TlsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req)


class _Cookies(CookieJar):
    """Drops cookies that Python cannot read without a word: of a Max-Age without a number it prints a traceback."""

    def make_cookies(self, response: Any, request: urllib.request.Request) -> Sequence[Cookie]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return super().make_cookies(response, request)


class HttpClient:
    """Asks for one address, again and again if need be, with its account and with the cookies that came.

    Args:
        url: may hold user name and password, which go to its own host alone, also where it redirects to another path.
        timeout_s: of silence.

    Raises:
        DriverError: the address cannot be parsed.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = split_address(url)
        host = parts.netloc.rpartition("@")[2]
        self.timeout_s = timeout_s
        self._url = urlunsplit(parts._replace(netloc=host, fragment=""))
        handlers: list[Any] = [_Handler(), _TlsHandler(), urllib.request.HTTPCookieProcessor(_Cookies())]
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
            handlers.append(AuthHandler(f"{parts.scheme}://{host}", user, password))
        self._opener = urllib.request.OpenerDirector()
        for handler in (*(kind() for kind in _OF_PYTHON), *handlers):
            self._opener.add_handler(handler)

    def open(self, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """The server's answer, its body unread.

        Raises:
            DriverError: refused, not found, or silent.
        """
        try:
            request = urllib.request.Request(self._url, headers={**_HEADERS, **(headers or {})})  # noqa: S310
            return cast("http.client.HTTPResponse", self._opener.open(request, timeout=self.timeout_s))
        except urllib.error.HTTPError as error:
            error.close()
            hint = (
                ": check user name and password, as in http://user:password@host/"
                if error.code == http.client.UNAUTHORIZED
                else ""
            )
            reason = shortened(one_line(str(error.reason)), _LONGEST_REASON)
            raise DriverError(f"the server answers {error.code} {reason}{hint}") from error
        except FAILURES as error:
            raise DriverError(why(error, self.timeout_s)) from error


def why(error: Exception, timeout_s: float) -> str:
    """What went wrong with a connection, as one clause."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"timeout: no data for {timeout_s:g} s"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(cause, http.client.IncompleteRead):
        return "the server ended the stream within a frame"
    if isinstance(cause, _UNREADABLE):
        return "the headers of the server's answer cannot be read"
    said = one_line(getattr(cause, "strerror", None) or str(cause))  # what the server sent instead of HTTP, too
    return shortened(said, _LONGEST_REASON) or type(cause).__name__
