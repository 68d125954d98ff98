"""Video files made by code, of the kinds that cameras, editors and broadcasters write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from shapes import shape_image

FPS = 25
INTERLACED = 0x2004_0000  # libavcodec's flags for interlaced DCT and motion estimation


def moving_bar(index: int, side: int = 128) -> np.ndarray:
    """A bright bar on a dark ground, uint8 [side, side, 3] BGR, eight pixels further with each frame."""
    image = np.full((side, side, 3), 40, np.uint8)
    at = 8 * index % (side - 16)
    image[:, at : at + 16] = 220
    return image


def woven(index: int, side: int = 128) -> np.ndarray:
    """What an interlaced camera makes of the bar: the even lines of one instant, the odd ones of the next."""
    image = moving_bar(2 * index, side)
    image[1::2] = moving_bar(2 * index + 1, side)[1::2]
    return image


def write_video(
    path: Path,
    images: list[np.ndarray],
    codec: str = "mpeg4",
    *,
    times: list[int] | None = None,
    interlaced: bool = False,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    fps: int = FPS,
) -> Path:
    """``times``: each image's, in frames of 1 / fps seconds; None: one after the other. ``options``: of the container."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=codec_options or {})
        stream.bit_rate = 8_000_000
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 10
        if interlaced:
            stream.codec_context.flags |= INTERLACED
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = (times or range(len(images)))[index], Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_trimmed(source: Path, target: Path, first: int) -> Path:
    """The frames from ``first`` on, copied and not encoded anew: those before, back to the keyframe, are there and
    hidden by an edit list, as lossless trimming leaves them."""
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(str(source)) as read, av.open(str(target), "w", options=options) as write:
        stream = read.streams.video[0]
        copy = write.add_stream_from_template(stream)
        shift = round(first / FPS / stream.time_base)
        for packet in read.demux(stream):
            if packet.dts is None:
                continue
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = copy
            write.mux(packet)
    return target


def shape_images(count: int, side: int = 64) -> list[np.ndarray]:
    return [shape_image("circle" if i < count / 2 else "square", i, side) for i in range(count)]
