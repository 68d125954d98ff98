"""Decodes the frames of a video file, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from edgecnn.errors import ImageError, InputNotFoundError, SourceError
from edgecnn.image_size import MOST_PIXELS
from edgecnn.preprocess import MAX_PIXELS, Image
from edgecnn.video.decoder import BgrConverter, VideoDecoder
from edgecnn.video.matroska import is_cut_short
from edgecnn.video.media_clock import MediaClock

__all__ = ["VideoImage", "stated_frames", "stream_rate", "video_images", "video_rate"]

_USUAL_RATE = 25.0
# Formats without a begin and an end: a recording is cut out of them anywhere, mostly within a frame
_ENDLESS = ("mpegts", "mpeg", "h264", "hevc", "mpegvideo", "m4v", "mjpeg", "obu", "dv")


@dataclass(frozen=True, eq=False)
class VideoImage:
    """A decoded frame."""

    image: Image  # uint8 [H, W, 3] BGR, in memory of its own
    index: int  # of the frame in the video, from 0
    time_s: float  # from the begin of the video
    decode_ms: float


def video_images(path: str, every: int = 1, max_pixels: int = MAX_PIXELS, threads: int = 1) -> Iterator[VideoImage]:
    """Decodes every ``every``-th frame of a video file. Applies the file's rotation and deinterlaces.

    Args:
        path: the file.
        every: 1 for all frames.
        max_pixels: largest number of pixels of a frame.
        threads: that decode and convert.

    Raises:
        InputNotFoundError, SourceError: at the first frame, where there is none to be had.
        ImageError: at the end, where the file breaks off, or held frames that cannot be decoded.
    """
    with _open(path) as container:
        stream = _video_stream(container, path, max_pixels)
        decoder: VideoDecoder[None] = VideoDecoder(stream, threads)
        index, broken = 0, ""
        try:
            for index, frame in _frames(container, stream, decoder, every, max_pixels, threads):  # noqa: B007
                if frame is not None:
                    yield frame
        except FFmpegError as error:  # of the container's reader: where the rest is cannot be told
            broken = f": {error.strerror or error}"
        endless = container.format.name in _ENDLESS
    if not index:
        raise SourceError(f"{path}: no frame of this video can be decoded; convert it, for example with ffmpeg")
    if broken or (decoder.damaged_last and not endless) or is_cut_short(path):
        raise ImageError(f"{path}: is truncated after {index} frames{broken}; copy the file again")
    if decoder.damaged and not endless:
        raise ImageError(f"{path}: {decoder.damaged} of its frames are damaged and were left out; copy the file again")


def _frames(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoDecoder[None],
    every: int,
    max_pixels: int,
    threads: int,
) -> Iterator[tuple[int, VideoImage | None]]:
    """How many frames have come, and the last of them where it is wanted."""
    base, start = stream.time_base, stream.start_time
    clock = MediaClock(None if start is None or base is None else float(start * base), stream_rate(stream))
    converter, index = BgrConverter(threads), 0
    begin = time.perf_counter()
    for packet in container.demux(stream):
        for decoded, _ in decoder.decode(packet, None):
            place_s = clock.place_s(decoded.time)
            index += 1
            if (index - 1) % every:
                yield index, None
                continue
            image = converter.convert(decoded, max_pixels)
            decode_ms = (time.perf_counter() - begin) * 1e3
            yield index, VideoImage(image, index - 1, place_s, decode_ms)
            begin = time.perf_counter()


def video_rate(path: str) -> float:
    """Frames a second as the file says, 25 where it does not."""
    try:
        with _open(path) as container:
            return stream_rate(_video_stream(container, path, MOST_PIXELS))
    except (SourceError, InputNotFoundError):
        return _USUAL_RATE


def stream_rate(stream: VideoStream) -> float:
    """Frames a second as a stream says, 25 where it does not."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= 1000 else _USUAL_RATE


def stated_frames(path: str) -> int | None:
    """How many frames a video has, as far as its header tells: an estimate, for a progress bar.

    None where it does not tell, or is no video.
    """
    try:
        with _open(path) as container:
            stream = _video_stream(container, path, MOST_PIXELS)
            if stream.frames:
                return stream.frames
            return round(container.duration / 1e6 * stream_rate(stream)) if container.duration else None
    except (SourceError, InputNotFoundError):
        return None


def _open(path: str) -> InputContainer:
    if not Path(path).exists():
        raise InputNotFoundError(f"{path}: no such video; check the path")
    try:
        path.encode()
        # With its protocol named no name is taken for an address; a playlist may name files beside it alone
        return av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except UnicodeEncodeError as error:
        raise SourceError(f"{path}: the file name is not UTF-8, which FFmpeg requires for videos; rename it") from error
    except (FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{path}: FFmpeg cannot open this video; convert it, for example with ffmpeg") from error


def _video_stream(container: InputContainer, path: str, max_pixels: int) -> VideoStream:
    if not container.streams.video:
        raise SourceError(f"{path}: holds no video; name a file that does")
    stream = container.streams.video[0]
    if stream.width * stream.height > max_pixels:
        raise SourceError(
            f"{path}: {stream.width} x {stream.height} pixels exceed the limit of {max_pixels / 1e6:g} megapixels; "
            "make the video smaller, or raise --max-megapixels if you trust the file"
        )
    return stream
