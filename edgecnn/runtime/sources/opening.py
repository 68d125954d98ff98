"""Opens a source by its address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.errors import UsageError
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.capture.live_options import LiveOptions
from edgecnn.runtime.sources.files import expand_sources, read_frame
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from edgecnn.runtime.sources.capture.live import LiveSource

__all__ = ["open_source"]


def open_source(
    source: str | os.PathLike[str], *, every: int = 1, max_pixels: int = MAX_PIXELS, live: LiveOptions | None = None
) -> Iterator[Frame] | LiveSource:
    """Opens an image file, a folder, a glob, ``-`` (paths on standard input), a video file, a camera or a stream.

    For a camera or a stream the result is a :class:`LiveSource`, which gives the newest frame each time, without an
    end. Close it, or use it in a ``with`` block.

    Args:
        source: see :func:`edgecnn.runtime.sources.address.parse_address`.
        every: give only every N-th frame.
        max_pixels: largest number of pixels of an image; larger images are refused.
        live: options for cameras and streams; ``every`` and ``max_pixels`` override its own.

    Raises:
        UsageError, InputNotFoundError, DataError, SourceError: immediately, if the source does not exist.
        ImageError: while iterating, if an image cannot be read. :meth:`Classifier.stream` reports it and continues.
        SourceError: while iterating, if a video, camera or stream cannot be opened.
    """
    if every < 1:
        raise UsageError(f"every is {every}, expected at least 1")
    address = parse_address(source)
    if address.live:
        from edgecnn.runtime.sources.capture.live import LiveSource  # noqa: PLC0415  # files need no processes

        return LiveSource(address, replace(live or LiveOptions(), every=every, max_pixels=max_pixels))
    if address.kind == "video":
        from edgecnn.runtime.sources.video import read_video  # noqa: PLC0415  # images need no video decoder

        return read_video(address.text, every, max_pixels)
    paths = expand_sources([address.text])
    return (read_frame(path, index, max_pixels) for index, path in enumerate(paths) if index % every == 0)
