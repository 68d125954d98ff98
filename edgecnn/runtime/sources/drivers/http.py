"""Images and MJPEG streams over HTTP, told apart by their content type."""

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
from edgecnn.runtime.sources.drivers.driver import Arrival, Grabber, GrabError, split_address
from edgecnn.runtime.sources.drivers.multipart import MAX_PART_BYTES, BadStreamError, Stream, boundary_of, iterate_parts

__all__ = ["grab_http"]


def grab_http(url: str, max_pixels: int, timeout_s: float) -> Grabber:
    """Frames of an MJPEG stream until it breaks; of an image one, then the end.

    User name and password of the address go to the server alone, by basic or digest authentication as it asks.

    Raises:
        GrabError: refused, not found, silent for ``timeout_s``, or neither image nor MJPEG.
    """
    with _open(url, timeout_s) as response:
        kind = response.headers.get("Content-Type", "").strip()
        if kind.lower().startswith("multipart/"):
            yield from _mjpeg(cast("Stream", response), boundary_of(kind), max_pixels, timeout_s)
        elif kind.lower().startswith("image/"):
            yield _arrival(_whole(response, timeout_s), max_pixels)
        else:
            shown = kind.partition(";")[0] or "no content type"
            raise GrabError(
                f"the server sends {shown}, expected image/… or multipart/x-mixed-replace (MJPEG)", permanent=True
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
        raise GrabError(f"the server answers {error.code} {error.reason}{hint}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise GrabError(_why(error, timeout_s)) from error


def _mjpeg(response: Stream, boundary: bytes, max_pixels: int, timeout_s: float) -> Iterator[Arrival]:
    try:
        for part in iterate_parts(response, boundary):
            yield _arrival(part, max_pixels)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise GrabError(_why(error, timeout_s)) from error
    except BadStreamError as error:
        raise GrabError(f"no MJPEG: {error}") from error
    raise GrabError("the server ended the stream")


def _whole(response: IO[bytes], timeout_s: float) -> bytes:
    """An image's bytes, within the time and size that one may take."""
    content, end = bytearray(), time.monotonic() + 4 * timeout_s  # a byte a second would never time out
    try:
        while piece := response.read(2**16):
            content += piece
            if len(content) > MAX_PART_BYTES:
                raise GrabError(f"the image is larger than {MAX_PART_BYTES // 2**20} MiB", permanent=True)
            if time.monotonic() > end:
                raise GrabError(f"the image took more than {4 * timeout_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        raise GrabError(_why(error, timeout_s)) from error
    return bytes(content)


def _arrival(content: bytes, max_pixels: int) -> Arrival:
    return Arrival(partial(decode, content, name="frame", max_pixels=max_pixels, color="bgr"))


def _why(error: Exception, timeout_s: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"nothing came for {timeout_s:g} s"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(cause, http.client.IncompleteRead):
        return "the server ended the stream in mid-frame"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
