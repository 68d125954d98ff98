"""A camera on 127.0.0.1 that sends JPEG after JPEG over HTTP, and fails as real ones do when told to."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from shapes import shape_image

BOUNDARY = b"frame"


def jpeg(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".jpg", image)
    assert done
    return data.tobytes()


class MjpegCamera:
    """Serves images at a rate.

    ``fault`` breaks the open connections, and what it names stays so until it is ``None`` again.

    Faults: ``fin`` (ends every stream in order), ``reset`` (by RST), ``stall`` (half a frame, then silence), ``404``,
    ``closed`` (nothing listens).

    ``frames_each`` ends every connection after so many frames, in order or by RST (``ends_by_reset``); None: never.
    """

    def __init__(
        self,
        fps: float = 50.0,
        *,
        content_type: str | None = None,
        lengths: bool = True,
        password: str | None = None,
        frames_each: int | None = None,
        ends_by_reset: bool = False,
    ) -> None:
        self.frames = [jpeg(shape_image(name, seed, 64)) for seed in range(10) for name in ("circle", "square")]
        self.fps = fps
        self.content_type = content_type or f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"
        self.lengths = lengths
        self.password = password  # user:password; digest authentication
        self.frames_each = frames_each
        self.ends_by_reset = ends_by_reset
        self.moved_to: str | None = None  # where all other paths of it lead
        self.fault: str | None = None
        self.connections = 0
        self.requests: list[str] = []
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self.port = 0
        self._listen()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        user = f"{self.password}@" if self.password else ""
        return f"http://{user}127.0.0.1:{self.port}/video"

    def set_fault(self, fault: str | None) -> None:
        self.fault = fault
        if fault == "closed":
            self._close_listener()
        elif self._listener is None:
            self._listen()

    def close(self) -> None:
        self._stopping.set()
        self.fault = "closed"
        self._close_listener()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            listener = self._listener
            if listener is None:
                time.sleep(0.01)
                continue
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(4096)
                if not piece:
                    break
                request += piece
            self.requests.append(request.decode("latin-1"))
            self._answer(connection, request.decode("latin-1"))
        if self.fault == "reset" or self.ends_by_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def _answer(self, connection: socket.socket, request: str) -> None:
        if self.fault == "stall":
            self._hang()
        if self.fault == "404":
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        if self.moved_to and f" {self.moved_to} " not in request:
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {self.moved_to}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        if self.password and not self._authorized(request):
            challenge = b'WWW-Authenticate: Digest realm="camera", nonce="abc", qop="auth", algorithm=MD5\r\n'
            connection.sendall(b"HTTP/1.1 401 Unauthorized\r\n" + challenge + b"Content-Length: 0\r\n\r\n")
            return
        self.connections += 1
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {self.content_type}\r\n\r\n".encode())
        if not self.content_type.startswith("multipart"):
            connection.sendall(self.frames[0])
            return
        sent = 0
        start = time.monotonic()
        while sent != self.frames_each and not self._stopping.is_set():
            time.sleep(max(0.0, start + sent / self.fps - time.monotonic()))
            content = self.frames[sent % len(self.frames)]
            length = f"Content-Length: {len(content)}\r\n" if self.lengths else ""
            part = b"--" + BOUNDARY + f"\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + content + b"\r\n"
            if self.fault == "stall":
                connection.sendall(part[: len(part) // 2])
                self._hang()
            if self.fault is not None:
                return
            connection.sendall(part)
            sent += 1

    def _hang(self) -> None:
        while self.fault == "stall" and not self._stopping.is_set():
            time.sleep(0.01)

    def _authorized(self, request: str) -> bool:
        """RFC 7616 with MD5, as most cameras do it."""
        line = next((x for x in request.splitlines() if x.lower().startswith("authorization: digest")), "")
        given = dict(part.strip().split("=", 1) for part in line.partition("Digest ")[2].split(",") if "=" in part)
        given = {name: value.strip('"') for name, value in given.items()}
        user, _, password = (self.password or "").partition(":")
        method, uri = request.split()[:2]

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        ha1, ha2 = md5(f"{user}:camera:{password}"), md5(f"{method}:{uri}")
        expected = md5(":".join((ha1, "abc", given.get("nc", ""), given.get("cnonce", ""), "auth", ha2)))
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        return given.get("response") == expected or f"Basic {basic}" in request


@contextmanager
def mjpeg_camera(fps: float = 50.0, **options: object) -> Iterator[MjpegCamera]:
    camera = MjpegCamera(fps, **options)  # type: ignore[arg-type]
    try:
        yield camera
    finally:
        camera.close()
