"""Video over the network: RTSP, and HLS, MPEG-TS or MP4 over HTTP, read and decoded by FFmpeg through PyAV.

A thread takes packets off the network as they come and notes when; where decoding is slower than the stream, what is
old is dropped before it is decoded. A frame's age counts from the arrival of the packet that completes it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import TypeAlias

import av
from av import Packet
from av.container import InputContainer
from av.error import ExitError, FFmpegError, HTTPUnauthorizedError
from av.video.stream import VideoStream

from edgecnn.runtime.sources.capture.frame_event import FrameEvent
from edgecnn.runtime.sources.drivers.driver import (
    DriverError,
    FrameIterator,
    Receiving,
    UndecodedFrame,
    split_address,
    wall_time_of,
)
from edgecnn.runtime.sources.drivers.http_file import HttpFile
from edgecnn.runtime.sources.opencv_io import opencv_accepts
from edgecnn.video.decoder import BgrConverter, VideoDecoder

__all__ = ["PacketReader", "read_http_video", "read_playlist", "read_rtsp"]

_RTSP_PORT = 554
_LONG_S = 60.0  # silence is for the runner to notice, which kills this process
_LATE_S, _TOO_LATE_S = 0.4, 1.5  # of a packet: skip what can be skipped; skip all up to the next keyframe
_TELL_S = 0.5  # between two signs of life while no frame comes
_LIVE = {"fflags": "nobuffer"}  # FFmpeg looks at the first packets and throws them away: of a recording they are wanted
_Came: TypeAlias = "tuple[Packet[VideoStream], float]"


def read_rtsp(url: str, max_pixels: int, timeout_s: float) -> FrameIterator:
    """Frames of an RTSP stream over TCP, unless ``OPENCV_FFMPEG_CAPTURE_OPTIONS`` says otherwise.

    Raises :class:`DriverError`.
    """
    parts = split_address(url)
    try:  # FFmpeg tells no reason, and waits longer
        socket.create_connection((parts.hostname, parts.port or _RTSP_PORT), timeout_s).close()
    except OSError as error:
        reason = (
            f"no answer within {timeout_s:g} s"
            if isinstance(error, TimeoutError)
            else (error.strerror or str(error)).lower()
        )
        raise DriverError(reason) from error
    given = os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    options = dict(pair.split(";", 1) for pair in given.split("|") if ";" in pair)
    container = _open(url, {**_LIVE, **options}, "check path, user name and password")
    yield from _frames(container, max_pixels, False)
    raise DriverError("the server ended the stream")


def read_http_video(file: HttpFile, max_pixels: int) -> FrameIterator:
    """Frames of a video over HTTP: of a recording at its own pace to its end, of a live one as they come.

    Raises :class:`DriverError`.
    """
    recorded = file.length is not None
    frames = _frames(_open(file, {} if recorded else _LIVE, "it is no video that FFmpeg reads"), max_pixels, recorded)
    if recorded and not file.seekable():
        frames = _or_told_of_the_index(frames)
    yield from frames
    if file.broken is not None:  # for FFmpeg this may be an end like any other
        raise file.broken
    if not recorded:
        raise DriverError("the server ended the stream")


def _or_told_of_the_index(frames: FrameIterator) -> FrameIterator:
    """``frames`` of a file that can only be read forwards."""
    begun = False
    try:
        for frame in frames:
            yield frame
            begun = True
    except DriverError as error:
        if begun:
            raise
        raise DriverError(
            "the server sends no parts of files, which FFmpeg needs where a video has its index at the end: write it "
            "with ffmpeg -movflags +faststart, or download it",
            permanent=True,
        ) from error


def read_playlist(url: str, max_pixels: int) -> FrameIterator:
    """Frames of HLS, whose playlist names pieces of several seconds: from a live one's end on, as they are due.

    Raises :class:`DriverError`.
    """
    # A playlist may name no file of this machine
    options = {**_LIVE, "protocol_whitelist": "http,https,tcp,tls,crypto"}
    container = _open(url, options, "it is no playlist that FFmpeg reads")
    yield from _frames(container, max_pixels, True)
    if not container.duration:
        raise DriverError("the server ended the stream")


def _open(source: str | HttpFile, options: dict[str, str], hint: str) -> InputContainer:
    if isinstance(source, str) and not opencv_accepts(source):
        raise DriverError("the address is not UTF-8", permanent=True)
    try:
        return av.open(source, "r", options=options, timeout=(_LONG_S, _LONG_S))
    except HTTPUnauthorizedError as error:
        raise DriverError(
            "the server answers 401: check path, user name and password (of digests FFmpeg knows MD5 alone)"
        ) from error
    except (FFmpegError, OSError, ValueError) as error:
        raise DriverError(f"the server responds, but the stream cannot be opened; {hint}") from error


def _frames(container: InputContainer, max_pixels: int, paced: bool) -> FrameIterator:  # noqa: FBT001
    if not container.streams.video:
        raise DriverError("the stream holds no video", permanent=True)
    stream = container.streams.video[0]
    decoder: VideoDecoder[float] = VideoDecoder(stream, 1)  # more threads hold back as many frames
    converter = BgrConverter()
    told_s = time.monotonic()
    reader = PacketReader(container, stream, paced=paced)
    for packet, came_s in reader.packets(decoder):
        begin_s = time.perf_counter()
        frames = list(decoder.decode(packet, came_s))
        decoding_ms = (time.perf_counter() - begin_s) * 1e3
        if frames:
            told_s = time.monotonic()
        elif time.monotonic() - told_s > _TELL_S:
            told_s = time.monotonic()
            yield Receiving("data is received, but no keyframe yet")
        for frame, taken_s in frames:
            image = partial(converter.convert, frame, max_pixels)
            yield UndecodedFrame(image, taken_s, wall_time_of(taken_s), decoding_ms / len(frames))


class PacketReader:
    """Takes packets off the network on a thread of its own, each with the time of its arrival.

    Args:
        container: opened.
        stream: its video.
        paced: take packets no sooner than their time in the video: its source gives them faster than they are due.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, paced: bool) -> None:
        self._container, self._stream, self._paced = container, stream, paced
        self._waiting: deque[_Came] = deque()
        self._news = FrameEvent()
        self._over: DriverError | bool = False
        threading.Thread(target=self._read, daemon=True).start()

    def packets(self, decoder: VideoDecoder[float]) -> Iterator[_Came]:
        """Packets to decode, until the stream ends; behind time, only as many as bring the newest frame."""
        lost = False  # whether frames are missing on which the next ones depend
        while True:
            over = self._over
            if not self._waiting:
                if isinstance(over, DriverError):
                    raise over
                if over:
                    return
                self._news.wait(1.0)
                continue
            late_s = time.monotonic() - self._waiting[0][1]
            decoder.hurry(hurried=late_s > _LATE_S)
            lost = (late_s > _LATE_S and self._skip(late_s > _TOO_LATE_S)) or lost
            if not self._waiting:
                continue
            packet, came_s = self._waiting.popleft()
            if lost and not packet.is_keyframe:
                continue
            if lost:
                decoder.skip()
                lost = False
            yield packet, came_s

    def _skip(self, all_of_them: bool) -> bool:  # noqa: FBT001
        """Drops what stands before the newest keyframe, or all where none waits; whether anything was dropped."""
        waiting = len(self._waiting)
        newest = next((at for at in range(waiting - 1, 0, -1) if self._waiting[at][0].is_keyframe), None)
        dropped = newest if newest is not None else waiting if all_of_them else 0
        for _ in range(dropped):
            self._waiting.popleft()
        return dropped > 0

    def _read(self) -> None:
        start: float | None = None
        try:
            for packet in self._container.demux(self._stream):
                if self._paced and packet.dts is not None and packet.time_base is not None:
                    time_s = float(packet.dts * packet.time_base)
                    now_s = time.monotonic()
                    if start is None or not -2 < start + time_s - now_s < 30:  # joined or renewed: times of its own
                        start = now_s - time_s
                    time.sleep(max(0.0, start + time_s - now_s))
                self._waiting.append((packet, time.monotonic()))
                self._news.notify()
            self._over = True
        except DriverError as error:
            self._over = error
        except ExitError:
            self._over = DriverError(f"timeout: no data for {_LONG_S:g} s")
        except (FFmpegError, OSError, ValueError) as error:
            self._over = DriverError(f"the stream broke: {getattr(error, 'strerror', None) or type(error).__name__}")
        self._news.notify()
