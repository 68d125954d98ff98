"""What a camera or a web server answers over HTTP: its headers, and the images of an MJPEG stream, a file or a video.

An input is what the server sends, one connection after the other. Image decoder, FFmpeg and the network are left out.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

from fuzz.promises import Look, Outcome, require, require_line
from fuzz.server_in_hand import ServerInHand
from fuzz.stand_in_decoder import MOST_PIXELS, stand_in_decoder

from edgecnn.error_text import one_line
from edgecnn.errors import ImageError
from edgecnn.runtime.sources.drivers import network_video
from edgecnn.runtime.sources.drivers.driver import DriverError, UndecodedFrame
from edgecnn.runtime.sources.drivers.http import read_http
from edgecnn.runtime.sources.drivers.http_file import HttpFile

LONGEST = 4096
NEXT = b"\n=NEXT=\n"
"""Between what one connection gets and what the next one gets."""

_HOST, _USER, _PASSWORD = "camera.example", "viewer", "correct-horse"
_SEEN = (32, 1000)  # bytes of a video that are read from its begin, and from its middle
WORDS = (
    NEXT, b"HTTP/1.1 200 OK\r\n", b"ICY 200 OK\r\n", b"HTTP/1.0 401 x\r\n", b"HTTP/1.1 206 x\r\n",
    b"HTTP/1.1 302 x\r\nLocation: ", b"http://camera.example/", b"http://other.example:99/", b"ftp://other.example/",
    b"file:///etc/passwd", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n\r\n", b"\r\n ", b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n", b"-1\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"Content-Range: bytes 0-9/",
    b"99999999999999999999", b"Set-Cookie: a=b; Path=/; Max-Age=", b"; Expires=", b"; Domain=.example",
    b'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256, opaque="c"\r\n',
    b'WWW-Authenticate: Basic realm="a"\r\n', b"SHA-512-256-sess", b"MD5", b"Content-Type: image/jpeg\r\n",
    b"Content-Type: multipart/x-mixed-replace; boundary=b\r\n", b"boundary*=utf-8''%ff", b"boundary*0=", b"video/mp4",
    b"application/x-mpegurl", b"--b\r\n", b"--b--\r\n", b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xe1\x00\x08", b"#EXTM3U",
    b"\x00\x00\x00\x18ftypmp42", b"\x1a\x45\xdf\xa3", b"FLV\x01", b"P5\n1 1\n255\n",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Look]:
    server = ServerInHand()
    with ExitStack() as patches:
        patches.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error", UserWarning)  # a log has no line of Python's own
        patches.enter_context(stand_in_decoder())
        patches.enter_context(server.patched())
        for name, stand_in in (("read_http_video", _video), ("read_playlist", _playlist)):
            patches.enter_context(mock.patch.object(network_video, name, stand_in))
        patches.enter_context(mock.patch.object(ssl.SSLContext, "wrap_socket", mock.Mock(side_effect=ssl.SSLError)))
        yield partial(_look, server)


def _look(server: ServerInHand, data: bytes) -> Outcome:
    server.begin(data.split(NEXT))
    frames, given = 0, 0
    try:
        for arrival in read_http(f"http://{_USER}:{_PASSWORD}@{_HOST}/", MOST_PIXELS, 5.0):
            require(isinstance(arrival, UndecodedFrame), "no frame, though no time passes")
            assert isinstance(arrival, UndecodedFrame)
            given += len(arrival.file or b"")
            frames += _decoded(arrival)
    except DriverError as error:
        said = str(error)
        require_line(said)
        require(_PASSWORD not in said, f"the password: {said}")
    require(given <= len(data), f"{given} bytes of images in {len(data)} bytes")
    for host, request in server.requests:
        require(host == (_HOST, 80) or b"uthorization" not in request, f"an authorization for {host}")
        require(request.count(b"\r\n\r\n") <= 1, f"more than one request: {request!r}")  # none over TLS
    return "accepted" if frames else "refused"


def _decoded(arrival: UndecodedFrame) -> int:
    """How many images came out of it: one or none."""
    try:
        arrival.decode()
    except ImageError as error:
        require_line(one_line(str(error)))  # as the capture process tells it
        return 0
    return 1


def _video(file: HttpFile, _max_pixels: int) -> Iterator[UndecodedFrame]:
    """Reads it here and there as FFmpeg does; no frame comes of it."""
    begin, middle = _SEEN
    file.read(begin)
    if file.seekable():
        file.seek(middle)
        require(file.tell() == middle, "another place")
    while file.read(middle):
        pass
    file.close()
    yield from ()


def _playlist(_url: str, _max_pixels: int) -> Iterator[UndecodedFrame]:
    raise DriverError("a playlist is for FFmpeg")
    yield
