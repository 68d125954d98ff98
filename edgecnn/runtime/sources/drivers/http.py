"""Images, MJPEG and video over HTTP, told apart by their first bytes, and by their content type where these tell
nothing."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, TypeAlias

from edgecnn.error_text import one_line, shortened
from edgecnn.image.header import begins_like_image
from edgecnn.preprocess import Decoded, ModelInput, decode_for
from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, Receiving, UndecodedFrame, wall_time_of
from edgecnn.runtime.sources.drivers.http_open import FAILURES, HttpClient, why
from edgecnn.runtime.sources.drivers.multipart import MAX_PART_BYTES, BadStreamError, PartParser, boundary_of

__all__ = ["read_http"]

_Kind: TypeAlias = Literal["parts", "image", "video", "playlist", "other"]
_Decode: TypeAlias = "Callable[[bytes], Decoded]"

_PIECE_BYTES = 2**16
_TOLD_BYTES = 32  # of a body, that tell what it is
_SYNC = b"\x47"  # an MPEG transport stream has one at the begin of each 188 bytes
_MJPEG_TYPES = ("multipart/", "video/x-motion-jpeg", "video/mjpeg", "video/x-mjpeg", "image/x-mjpeg")
_PLAYLIST_TYPES = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")


def read_http(
    url: str, max_pixels: int, timeout_s: float, interval_s: float | None = None, model: ModelInput | None = None
) -> FrameIterator:
    """Frames of an MJPEG or video stream until it breaks; of an image one and the end, or one each ``interval_s``.

    JPEGs are decoded for ``model``, as :func:`edgecnn.preprocess.decode_for` does.

    User name and password of the address go to its own host alone, by basic or digest authentication as it asks.

    Raises:
        DriverError: refused, not found, silent for ``timeout_s``, or neither image nor video.
    """
    client, due_s = HttpClient(url, timeout_s), time.monotonic()
    decode = partial(_decode, model=model, max_pixels=max_pixels)
    while True:
        with client.open() as response:
            piece = _first_piece(response, timeout_s)
            content_type = response.headers.get("Content-Type", "").strip().lower()
            kind = _kind(content_type, piece[0])
            if kind == "parts":
                announced = boundary_of(response.headers.get("Content-Type", ""))
                yield from _mjpeg(response, PartParser(announced), piece, decode, timeout_s)
            elif kind == "image":
                yield _arrival(_whole(response, piece[0], timeout_s), piece[1], decode)
            elif kind == "other":
                shown = shortened(one_line(content_type.partition(";")[0])) or "no content type"
                raise DriverError(
                    f"the server sends {shown}; expected image/…, multipart/x-mixed-replace (MJPEG) or a video",
                    permanent=True,
                )
        if kind != "image":
            break
        if interval_s is None:
            return
        due_s = max(due_s + interval_s, time.monotonic())  # a slow answer delays no other
        time.sleep(max(0.0, due_s - time.monotonic()))
    if kind == "playlist":
        from edgecnn.runtime.sources.drivers.network_video import read_playlist  # noqa: PLC0415  # images need none

        yield from read_playlist(url, max_pixels)
    elif kind == "video":
        from edgecnn.runtime.sources.drivers.http_file import HttpFile  # noqa: PLC0415
        from edgecnn.runtime.sources.drivers.network_video import read_http_video  # noqa: PLC0415

        yield from read_http_video(HttpFile(client), max_pixels)


def _kind(content_type: str, begin: bytes) -> _Kind:
    """By the first bytes, where they say it; servers of cameras give all kinds of content types, or none."""
    if content_type.startswith(_MJPEG_TYPES):
        return "parts"
    if begin.startswith(b"#EXTM3U") or content_type.startswith(_PLAYLIST_TYPES):
        return "playlist"
    is_image = begins_like_image(begin)
    if content_type.startswith("video/") or (_is_video(begin) and not is_image):  # AVIF begins with a box as MP4 does
        return "video"
    if content_type.startswith("image/") or is_image:
        return "image"
    if begin.lstrip().startswith(b"--") and b"\xff\xd8\xff" in begin:
        return "parts"
    return "other"


def _is_video(begin: bytes) -> bool:
    """Whether the bytes begin as MPEG-TS, MP4, Matroska, FLV or AVI do."""
    if begin[:1] == _SYNC and begin[188:189] in (b"", _SYNC):
        return len(begin) >= 188
    starts = (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"OggS")
    return begin[4:8] in (b"ftyp", b"styp", b"moov") or begin.startswith(starts) or begin[8:12] == b"AVI "


def _first_piece(response: http.client.HTTPResponse, timeout_s: float) -> tuple[bytes, float]:
    """The body's first bytes, and when they came."""
    try:
        piece = response.read1(_PIECE_BYTES)
        came_s = time.monotonic()
        while 0 < len(piece) < _TOLD_BYTES and (more := response.read1(_PIECE_BYTES)):
            piece += more
    except FAILURES as error:
        raise DriverError(why(error, timeout_s)) from error
    return piece, came_s


def _mjpeg(
    response: http.client.HTTPResponse,
    parser: PartParser,
    begin: tuple[bytes, float],
    decode: _Decode,
    timeout_s: float,
) -> Iterator[UndecodedFrame | Receiving]:
    piece, now_s = begin
    quiet_s, received = now_s, 0
    try:
        while piece and not parser.ended:
            for part in parser.feed(piece, now_s):
                yield _arrival(part.content, part.first_s, decode)
                quiet_s, received = now_s, 0
            received += len(piece)
            if now_s - quiet_s > timeout_s / 2:
                yield Receiving(f"{received} bytes were received, but no complete image")
            piece = response.read1(_PIECE_BYTES)
            now_s = time.monotonic()
    except FAILURES as error:
        raise DriverError(why(error, timeout_s)) from error
    except BadStreamError as error:
        raise DriverError(f"invalid MJPEG stream: {error}") from error
    raise DriverError("the server ended the stream")


def _whole(response: http.client.HTTPResponse, begin: bytes, timeout_s: float) -> bytes:
    """An image's bytes, within the time and size that one may take."""
    content, end = bytearray(begin), time.monotonic() + 4 * timeout_s  # a byte a second would never time out
    try:
        while piece := response.read1(_PIECE_BYTES):  # read() takes a chunk of -1 bytes for all that will ever come
            content += piece
            if len(content) > MAX_PART_BYTES:
                raise DriverError(f"the image is larger than {MAX_PART_BYTES // 2**20} MiB", permanent=True)
            if time.monotonic() > end:
                raise DriverError(f"the image took more than {4 * timeout_s:g} s")
    except FAILURES as error:
        raise DriverError(why(error, timeout_s)) from error
    return bytes(content)


def _decode(content: bytes, model: ModelInput | None, max_pixels: int) -> Decoded:
    # The frame's memory has three bytes a pixel; of these the smaller image takes one at most, and the file goes along
    small = len(content) <= max_pixels
    return decode_for(content, model if small else None, "frame", max_pixels, "bgr")


def _arrival(content: bytes, first_s: float, decode: _Decode) -> UndecodedFrame:
    return UndecodedFrame(partial(decode, content), first_s, wall_time_of(first_s), file=content)
