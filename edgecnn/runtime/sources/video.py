"""A video file as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.preprocess import MAX_PIXELS
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.system.cpu_features import allowed_threads
from edgecnn.video.reader import stated_frames, video_images, video_rate

__all__ = ["read_video", "stated_frames", "video_rate"]


def read_video(path: str, every: int = 1, max_pixels: int = MAX_PIXELS) -> Iterator[Frame]:
    """Every ``every``-th frame of a video file; ``media_time_s`` is its place there.

    Raises as :func:`edgecnn.video.reader.video_images`.
    """
    for found in video_images(path, every, max_pixels, allowed_threads()):
        yield Frame(
            image=found.image,
            name=path,
            index=found.index,
            media_time_s=found.time_s,
            decode_ms=found.decode_ms,
            kind="video",
        )
