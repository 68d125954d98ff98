"""From the packets of a video to frames, by FFmpeg through PyAV.

FFmpeg and not OpenCV, whose reader hands out the frame before, or old memory, where its colour conversion refused one
(5.0, interlaced 4:2:0), and calls it read. Every image here is converted into memory of its own, or there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar, cast

import cv2
import numpy as np
from av import Packet, VideoFrame
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from edgecnn.errors import ImageError
from edgecnn.preprocess import Image
from edgecnn.video.deinterlace import Deinterlacer

__all__ = ["BgrConverter", "VideoDecoder"]

Tag = TypeVar("Tag")

_PROGRESSIVE = (0, 1)  # of libavcodec's AVFieldOrder: unknown, progressive
_MAX_WAITING = 64  # more than the frames that any codec holds back
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class VideoDecoder(Generic[Tag]):
    """Decodes one video stream's packets in their order; interlaced frames come out deinterlaced.

    Args:
        stream: opened, not decoded from yet.
        threads: that decode; more than one hold back as many frames.
    """

    def __init__(self, stream: VideoStream, threads: int) -> None:
        self._codec = stream.codec_context
        self._codec.thread_count = threads
        self._codec.thread_type = "AUTO" if threads > 1 else "SLICE"
        self._deinterlacer: Deinterlacer[Tag] = Deinterlacer()
        self._tags: dict[int, Tag] = {}  # of packets whose frames are to come, by their times
        self.damaged = 0
        """Frames or packets so far that could not be decoded, or not wholly; such a frame is not given out."""
        self.damaged_last = False
        """Whether the last packet was one of them."""

    def decode(self, packet: Packet[VideoStream], tag: Tag) -> Iterator[tuple[VideoFrame, Tag]]:
        """The frames that a packet completes; at the last one, which is empty and has no time, those that are left.

        Args:
            packet: of this stream, as the container gave it.
            tag: what comes out with the packet's own frame, which later packets may complete: frames are stored out
                of their order.
        """
        last = not packet.size and packet.dts is None
        if not packet.size and not last:  # an AVI file's sign that the frame before stays: not the end
            return
        if packet.is_corrupt:  # cut short: a decoder would fill what is missing
            self._damage()
            return
        if packet.pts is not None:
            self._tags[packet.pts] = tag
        try:
            frames = self._codec.decode(packet)
        except FFmpegError:  # the packet is broken: the next may not be
            frames = []
            self._damage()
        else:
            self.damaged_last = self.damaged_last and (last or not frames)
        for frame in frames:
            if frame.is_corrupt:
                self._damage()
                continue
            yield from self._deinterlacer.push(frame, self._tag_of(frame, tag), interlaced=self._interlaced(frame))
        if last:
            yield from self._deinterlacer.flush()

    def skip(self) -> None:
        """Forgets what led to here: the next packet begins with a keyframe that does not follow on the last one."""
        self._codec.flush_buffers()
        self._deinterlacer.clear()
        self._tags.clear()

    def hurry(self, *, hurried: bool) -> None:
        """Whether to leave out frames that no other needs."""
        self._codec.skip_frame = "NONREF" if hurried else "DEFAULT"

    def _tag_of(self, frame: VideoFrame, last: Tag) -> Tag:
        tag = self._tags.get(frame.pts, last) if frame.pts is not None else last
        while len(self._tags) > _MAX_WAITING:  # of packets without a frame of their own: fields, damaged ones
            del self._tags[next(iter(self._tags))]
        return tag

    def _interlaced(self, frame: VideoFrame) -> bool:
        return frame.interlaced_frame or int(self._codec.field_order or 0) not in _PROGRESSIVE

    def _damage(self) -> None:
        self.damaged += 1
        self.damaged_last = True


class BgrConverter:
    """Converts decoded frames to BGR, upright. One thread may use it at a time.

    Args:
        threads: that share the conversion of a frame.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, max_pixels: int) -> Image:
        """The image, uint8 ``[H, W, 3]`` BGR, in memory of its own.

        Raises:
            ImageError: it is larger than ``max_pixels``, or FFmpeg cannot convert it.
        """
        if frame.width * frame.height > max_pixels:
            raise ImageError(
                f"frame: {frame.width} x {frame.height} pixels exceed the limit of {max_pixels / 1e6:g} megapixels; "
                "make the video smaller, or raise --max-megapixels if you trust its source"
            )
        try:  # bicubic as OpenCV's reader has it: of 8-bit video it gives the same pixels
            bgr = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC", threads=self._threads)
        except (FFmpegError, ValueError) as error:
            raise ImageError(f"frame: FFmpeg cannot convert {frame.format.name} to BGR: {error}") from error
        plane = bgr.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(
            -1, plane.line_size
        )  # [H, bytes of a line and its padding]
        image = rows[: bgr.height, : 3 * bgr.width].reshape(bgr.height, bgr.width, 3)
        turn = _TURNS.get(round(frame.rotation) % 360)
        return image if turn is None else cast("Image", cv2.rotate(image, turn))
