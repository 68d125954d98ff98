"""Cameras over HTTP as they are: strange first lines, types, boundaries, authentication; and how old their frames are."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_server import jpeg, mjpeg_camera
from shapes import shape_image
from video_files import shape_images, write_video

from edgecnn import open_source
from edgecnn.errors import SourceError, UsageError
from edgecnn.runtime.sources import LiveOptions
from edgecnn.runtime.sources.drivers.driver import DriverError, UndecodedFrame
from edgecnn.runtime.sources.drivers.http import read_http

Handler = Callable[[socket.socket, str], None]
IMAGE = jpeg(shape_image("circle", 0, 64))
MULTIPART = b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
FAIL_FAST = LiveOptions(fail_fast=True, stall_s=2.0, open_s=4.0, longest_first_s=4.0)


@contextmanager
def server(handler: Handler) -> Iterator[str]:
    """Calls ``handler`` with each connection and the head of its request; gives host and port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (piece := connection.recv(4096)):
                request += piece
            handler(connection, request.decode("latin-1"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def send_parts(connection: socket.socket, boundary: bytes = b"frame", interval_s: float = 0.05) -> None:
    for _ in range(400):
        connection.sendall(b"--" + boundary + b"\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE + b"\r\n")
        time.sleep(interval_s)


def first_frame(handler: Handler, user: str = "") -> tuple[int, ...]:
    with server(handler) as host, open_source(f"http://{user}{host}/video", live=FAIL_FAST) as source:
        return next(source).image.shape


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"ICY 200 OK"])
@pytest.mark.parametrize("boundary", [b"frame", b"another"])
def test_the_first_line_and_the_boundary_may_be_strange(line: bytes, boundary: bytes) -> None:
    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(line + b"\r\n" + MULTIPART)
        send_parts(connection, boundary)

    assert first_frame(handler) == (64, 64, 3)


@pytest.mark.parametrize(
    "content_type", ["", "Content-Type: application/octet-stream\r\n", "Content-Type: text/plain\r\n"]
)
def test_an_image_without_a_content_type_of_one_is_an_image(content_type: str) -> None:
    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{content_type}\r\n".encode() + IMAGE)

    assert first_frame(handler) == (64, 64, 3)


@pytest.mark.parametrize("suffix", [".avif", ".bmp", ".webp", ".jp2", ".tif"])
@pytest.mark.parametrize("content_type", ["", "Content-Type: image/x-camera\r\n"])
def test_an_image_may_have_every_format_that_is_read(suffix: str, content_type: str) -> None:
    """In this process: the format is told before anything else is."""
    body = cv2.imencode(suffix, shape_image("circle", 0, 64))[1].tobytes()

    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{content_type}\r\n".encode() + body)

    with server(handler) as host:
        (frame,) = read_http(f"http://{host}/", 10_000, 2.0)
    assert isinstance(frame, UndecodedFrame)
    assert frame.decode().image.shape == (64, 64, 3)


def test_cookies_go_along_on_redirects() -> None:
    def handler(connection: socket.socket, request: str) -> None:
        if "Cookie: session=7" in request:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE)
        else:
            connection.sendall(
                b"HTTP/1.1 302 Found\r\nSet-Cookie: session=7\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n"
            )

    assert first_frame(handler) == (64, 64, 3)


def digest_ok(request: str, algorithm: str, function: str) -> bool:
    """RFC 7616, section 3.4.1, of user admin, password pa:ss, realm cam, nonce n."""
    given = dict(re.findall(r'(\w+)="?([^",]*)"?', request.partition("Authorization: Digest ")[2].splitlines()[0]))

    def hashed(*parts: str) -> str:
        return hashlib.new(function, ":".join(parts).encode()).hexdigest()

    secret = hashed("admin", "cam", "pa:ss")
    if algorithm.endswith("-sess"):
        secret = hashed(secret, "n", given["cnonce"])
    expected = hashed(secret, "n", given["nc"], given["cnonce"], "auth", hashed("GET", "/video"))
    return given["response"] == expected and given["algorithm"] == algorithm


@pytest.mark.parametrize(
    ("challenges", "algorithm", "function"),
    [
        (["Basic", "Digest MD5"], "MD5", "md5"),
        (["Digest MD5", "Digest SHA-256"], "SHA-256", "sha256"),
        (["Digest SHA-256", "Digest MD5", "Basic"], "SHA-256", "sha256"),
        (["Digest XYZ-512", "Digest MD5-sess"], "MD5-sess", "md5"),
    ],
)
@pytest.mark.parametrize("in_one_line", [True, False])
def test_the_strongest_digest_is_chosen_and_basic_never_beside_it(
    challenges: list[str], algorithm: str, function: str, in_one_line: bool
) -> None:
    requests: list[str] = []
    offers = [
        'Basic realm="cam"' if c == "Basic" else f'Digest realm="cam", nonce="n", qop="auth", algorithm={c.split()[1]}'
        for c in challenges
    ]
    lines = [", ".join(offers)] if in_one_line else offers
    refusal = "HTTP/1.1 401 No\r\n" + "".join(f"WWW-Authenticate: {line}\r\n" for line in lines)

    def handler(connection: socket.socket, request: str) -> None:
        requests.append(request)
        if "Authorization: Digest" in request and digest_ok(request, algorithm, function):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE)
        else:
            connection.sendall((refusal + "Content-Length: 0\r\n\r\n").encode())

    assert first_frame(handler, "admin:pa%3Ass@") == (64, 64, 3)
    assert not any("Authorization: Basic" in request for request in requests)


def test_a_wrong_password_is_not_sent_by_basic_where_digest_is_offered() -> None:
    requests: list[str] = []

    def handler(connection: socket.socket, request: str) -> None:
        requests.append(request)
        offers = 'WWW-Authenticate: Basic realm="c"\r\nWWW-Authenticate: Digest realm="c", nonce="n", qop="auth"\r\n'
        connection.sendall(f"HTTP/1.1 401 No\r\n{offers}Content-Length: 0\r\n\r\n".encode())

    with pytest.raises(SourceError, match="401"):
        first_frame(handler, "admin:wrong@")
    assert not any("Authorization: Basic" in request for request in requests)


def test_a_snapshot_is_asked_for_again_each_interval() -> None:
    asked: list[float] = []

    def handler(connection: socket.socket, _: str) -> None:
        asked.append(time.monotonic())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE)

    with server(handler) as host, open_source(f"http://{host}/still.jpg", live=LiveOptions(interval_s=0.2)) as source:
        frames = [next(source) for _ in range(4)]
    assert len({frame.index for frame in frames}) == 4
    assert 0.15 < np.median(np.diff(asked[:4])) < 1.0


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="interval"):
        LiveOptions(interval_s=0)


def test_a_slow_stream_without_lengths_is_not_a_frame_behind() -> None:
    sent: list[float] = []

    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n" + MULTIPART)
        for _ in range(5):
            sent.append(time.monotonic())
            connection.sendall(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE + b"\r\n")
            time.sleep(1.5)

    with server(handler) as host, open_source(f"http://{host}/") as source:
        for number in range(2):
            frame = next(source)
            assert time.monotonic() - sent[number] < 1.2
            assert frame.captured_monotonic_s - sent[number] < 1.2


def test_frames_that_come_faster_than_they_can_be_decoded_are_dropped_and_not_queued() -> None:
    large = jpeg(np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), np.uint8))
    sent: list[float] = []

    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n" + MULTIPART)
        while True:
            sent.append(time.monotonic())
            connection.sendall(b"--frame\r\n\r\n" + large + b"\r\n")
            time.sleep(0.02)

    with server(handler) as host, open_source(f"http://{host}/") as source:
        next(source)
        time.sleep(2)
        frame = next(source)
        told_s = time.monotonic() - frame.captured_monotonic_s
        assert told_s < 1.5
        assert frame.index < len(sent)
        assert frame.captured_monotonic_s >= sent[frame.index] - 0.01  # its age is true


def test_data_without_an_image_in_it_is_told_as_such() -> None:
    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n" + MULTIPART)
        while True:
            connection.sendall(b"no image " * 100)
            time.sleep(0.05)

    with pytest.raises(SourceError, match=r"\d+ bytes were received, but no complete image"):
        first_frame(handler)


@pytest.mark.parametrize("name", ["a.ts", "a.mp4"])
def test_a_video_over_http_is_played_to_its_end(name: str, tmp_path: Path) -> None:
    codec, options = ("mpeg2video", {}) if name == "a.ts" else ("mpeg4", {"movflags": "+faststart"})
    content = write_video(tmp_path / name, shape_images(30), codec, options=options).read_bytes()

    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    with server(handler) as host, open_source(f"http://{host}/{name}", live=FAIL_FAST) as source:
        frames = list(source)
    assert len(frames) >= 3  # at its own pace; a slow reader skips some
    assert {frame.image.shape for frame in frames} == {(64, 64, 3)}


def test_what_a_server_says_in_bytes_of_its_own_is_shown_as_one_printable_line() -> None:
    def handler(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 404 No\x1b[2J\x80\x07way" + b"!" * 999 + b"\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(SourceError, match="the server answers 404") as raised:
        first_frame(handler)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("ftp://127.0.0.1:9/a.jpg", "unknown url type: ftp"),
        ("file:///etc/hostname", "not allowed"),
        (f"http://127.0.0.1:{10**20}/", "too large"),
    ],
)
def test_a_redirection_leads_to_an_address_of_http_or_is_an_error(place: str, why: str) -> None:
    def redirect(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())

    with server(redirect) as host, pytest.raises(DriverError, match=why):
        next(read_http(f"http://{host}/", 10_000, 5.0))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_the_body_of_a_redirection_is_left_unread_however_long_it_is(code: int) -> None:
    def handler(connection: socket.socket, request: str) -> None:
        if request.startswith("GET /in "):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE)
        else:
            head = f"HTTP/1.1 {code} Found\r\nLocation: /in\r\nContent-Length: {10**15}\r\n\r\n"
            connection.sendall(head.encode() + bytes(1000))
            connection.recv(1)  # until the other side goes

    assert first_frame(handler) == (64, 64, 3)


def test_a_cookie_that_python_cannot_read_is_dropped_without_a_word() -> None:
    def image(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Max-Age\r\nContent-Type: image/jpeg\r\n\r\n" + IMAGE)

    with server(image) as host:
        assert len(list(read_http(f"http://{host}/", 10_000, 5.0))) == 1


def test_a_chunk_of_minus_one_byte_is_not_all_that_will_ever_come() -> None:
    """Python reads such a chunk up to the end of the connection, which need not come."""
    sent, over = [0], threading.Event()

    def chunks(connection: socket.socket, _: str) -> None:
        connection.settimeout(5.0)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: image/jpeg\r\n\r\n40\r\n")
        connection.sendall(IMAGE[:64] + b"\r\n-1\r\n")
        while not over.is_set():
            sent[0] += connection.send(bytes(2**20))

    with server(chunks) as host:
        with pytest.raises(DriverError, match="larger than 64 MiB"):
            next(read_http(f"http://{host}/", 10_000, 5.0))
        over.set()
    assert sent[0] < 100 * 2**20


def test_a_frame_that_nobody_takes_costs_no_decoding_of_the_next_ones() -> None:
    """Four cameras on two cores: what is decoded and thrown away is missing where frames are classified."""
    with mjpeg_camera(200) as camera, open_source(camera.url) as source:
        next(source)
        before, taken, ages_s = source.counters.captured, 0, []
        while taken < 20:
            frame = next(source)
            ages_s.append(time.monotonic() - frame.captured_monotonic_s)
            taken += 1
            time.sleep(0.03)  # the work on a frame: the camera sends six meanwhile
        assert source.counters.captured - before < 2 * taken
        assert sorted(ages_s)[taken // 2] < 0.1


def test_a_frame_that_waits_for_long_is_replaced_by_a_newer_one() -> None:
    with mjpeg_camera(100) as camera, open_source(camera.url) as source:
        ages_s = []
        for _ in range(6):
            frame = next(source)
            ages_s.append(time.monotonic() - frame.captured_monotonic_s)
            time.sleep(0.4)
        assert sorted(ages_s)[3] < 0.3
