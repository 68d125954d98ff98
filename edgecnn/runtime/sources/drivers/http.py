"""Images and MJPEG streams over HTTP, distinguished by content type."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import IO, cast
from urllib.parse import unquote, urlunsplit

from edgecnn.preprocess import decode
from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, UndecodedFrame, split_address
from edgecnn.runtime.sources.drivers.multipart import MAX_PART_BYTES, BadStreamError, Stream, boundary_of, iterate_parts

__all__ = ["read_http"]


def read_http(url: str, max_pixels: int, timeout_s: float) -> FrameIterator:
    """Yields the frames of an MJPEG stream until it ends, or the single frame of an image.

    User name and password of the address are sent only to this server, by basic or digest authentication.

    Raises:
        DriverError: connection refused, not found, timeout of ``timeout_s``, or neither image nor MJPEG.
    """
    with _open(url, timeout_s) as response:
        kind = response.headers.get("Content-Type", "").strip()
        if kind.lower().startswith("multipart/"):
            yield from _mjpeg(cast("Stream", response), boundary_of(kind), max_pixels, timeout_s)
        elif kind.lower().startswith("image/"):
            yield _arrival(_whole(response, timeout_s), max_pixels)
        else:
            shown = kind.partition(";")[0] or "no content type"
            raise DriverError(
                f"the server sends {shown}; expected image/… or multipart/x-mixed-replace (MJPEG)", permanent=True
            )


def _open(url: str, timeout_s: float) -> http.client.HTTPResponse:
    parts = split_address(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit(parts._replace(netloc=host))
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        whole_host = f"{parts.scheme}://{host}/"  # cameras redirect to another path of theirs; other hosts get nothing
        passwords.add_password(None, whole_host, unquote(parts.username), unquote(parts.password or ""))
    handlers = urllib.request.HTTPBasicAuthHandler(passwords), urllib.request.HTTPDigestAuthHandler(passwords)
    try:
        request = urllib.request.Request(  # noqa: S310
            bare, headers={"User-Agent": "edgecnn", "Accept": "multipart/x-mixed-replace, image/*"}
        )
        return cast("http.client.HTTPResponse", urllib.request.build_opener(*handlers).open(request, timeout=timeout_s))
    except urllib.error.HTTPError as error:
        error.close()
        hint = (
            ": check user name and password, as in http://user:password@host/"
            if error.code == http.client.UNAUTHORIZED
            else ""
        )
        raise DriverError(f"the server answers {error.code} {error.reason}{hint}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DriverError(_why(error, timeout_s)) from error


def _mjpeg(response: Stream, boundary: bytes, max_pixels: int, timeout_s: float) -> Iterator[UndecodedFrame]:
    try:
        for part in iterate_parts(response, boundary):
            yield _arrival(part, max_pixels)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DriverError(_why(error, timeout_s)) from error
    except BadStreamError as error:
        raise DriverError(f"invalid MJPEG stream: {error}") from error
    raise DriverError("the server ended the stream")


def _whole(response: IO[bytes], timeout_s: float) -> bytes:
    """Reads the bytes of an image, within limits of time and size."""
    content, end = bytearray(), time.monotonic() + 4 * timeout_s  # a byte a second would never time out
    try:
        while piece := response.read(2**16):
            content += piece
            if len(content) > MAX_PART_BYTES:
                raise DriverError(f"the image is larger than {MAX_PART_BYTES // 2**20} MiB", permanent=True)
            if time.monotonic() > end:
                raise DriverError(f"the image took more than {4 * timeout_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        raise DriverError(_why(error, timeout_s)) from error
    return bytes(content)


def _arrival(content: bytes, max_pixels: int) -> UndecodedFrame:
    return UndecodedFrame(partial(decode, content, name="frame", max_pixels=max_pixels, color="bgr"))


def _why(error: Exception, timeout_s: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"timeout: no data for {timeout_s:g} s"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(cause, http.client.IncompleteRead):
        return "the server ended the stream within a frame"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
