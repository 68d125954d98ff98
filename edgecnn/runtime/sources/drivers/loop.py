"""A camera made of files: the images of a folder or of a list, or the frames of a video, again and again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgecnn.errors import EdgeCNNError, ImageError, InputNotFoundError
from edgecnn.image.suffixes import VIDEO_SUFFIXES
from edgecnn.preprocess import Image, decode, read_bytes
from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, UndecodedFrame

__all__ = ["LoopCamera", "parse_loop", "read_loop"]

_RATE = re.compile(r"(?P<path>.*?)(?:@(?P<fps>\d+(?:\.\d+)?))?", re.DOTALL)
_IMAGES_FPS = 1.0


@dataclass(frozen=True)
class LoopCamera:
    """The parts of ``loop:PATH@FPS``."""

    path: Path
    fps: float | None  # None: one image a second; a video at its own times


def parse_loop(source: str) -> LoopCamera:
    """Reads the address. Raises a permanent :class:`DriverError`."""
    match = _RATE.fullmatch(source.partition(":")[2])
    assert match is not None
    if not match["path"]:
        raise DriverError(
            "expected loop:PATH@FPS: a folder of images, a list of their paths or a video", permanent=True
        )
    fps = None if match["fps"] is None else float(match["fps"])
    if fps is not None and not 0.25 <= fps <= 1000:  # a camera that says nothing for longer counts as lost
        raise DriverError("expected 0.25 to 1000 frames per second after @", permanent=True)
    return LoopCamera(Path(match["path"]), fps)


def read_loop(source: str, *, max_pixels: int) -> FrameIterator:
    """Yields the frames at the given rate, without an end. Raises :class:`DriverError` where there are none."""
    camera = parse_loop(source)
    path = camera.path
    if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir():
        return _at_video_rate(path, max_pixels) if camera.fps is None else _paced(_video(path, max_pixels), camera.fps)
    return _paced(_images(path, max_pixels), camera.fps or _IMAGES_FPS)


def _images(path: Path, max_pixels: int) -> Iterator[Callable[[], Image]]:
    while True:
        paths = _paths(path)  # each time: files may come and go
        if not paths:
            raise DriverError(f"no images in {path}; give a folder of images or a list of their paths")
        for image in paths:
            yield partial(_read, image, max_pixels)


def _read(path: Path, max_pixels: int) -> Image:
    """Raises :class:`ImageError`: the frame is dropped."""
    try:
        return decode(read_bytes(path, max_pixels), str(path), max_pixels, "bgr")
    except InputNotFoundError as error:
        raise ImageError(str(error)) from error


def _paths(path: Path) -> list[Path]:
    """The images of a folder, or those that the lines of a text file name, from its own folder."""
    from edgecnn.data.folder_files import list_files  # noqa: PLC0415  # a video needs none of it

    try:
        if path.is_dir():
            return sorted(list_files(path).images)
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DriverError(f"{path} is no folder, video or text file with paths", permanent=True) from None
    except OSError as error:
        raise DriverError(f"{path} cannot be read: {error.strerror or error}") from error
    except EdgeCNNError as error:
        raise DriverError(str(error)) from error
    return [path.parent / line for line in lines if line]


def _video(path: Path, max_pixels: int) -> Iterator[Callable[[], Image]]:
    while True:
        for _, read in _frames(path, max_pixels):
            yield read


def _frames(path: Path, max_pixels: int) -> Iterator[tuple[float, Callable[[], Image]]]:
    """One pass over the video: the time of each frame in seconds, and a call for its pixels, which are decoded."""
    from edgecnn.video.reader import video_images  # noqa: PLC0415

    found = False
    try:
        for frame in video_images(str(path), 1, max_pixels, 1):
            found = True
            yield frame.time_s or 0.0, lambda image=frame.image: image  # type: ignore[misc]
    except EdgeCNNError as error:
        raise DriverError(str(error)) from error
    if not found:
        raise DriverError(f"{path} has no frames")


def _paced(images: Iterator[Callable[[], Image]], fps: float) -> FrameIterator:
    start_s = time.monotonic()
    for number, read in enumerate(images):
        time.sleep(max(0.0, start_s + number / fps - time.monotonic()))
        yield UndecodedFrame(read)


def _at_video_rate(path: Path, max_pixels: int) -> FrameIterator:
    while True:
        start_s = time.monotonic()
        for time_s, read in _frames(path, max_pixels):
            time.sleep(max(0.0, start_s + time_s - time.monotonic()))
            yield UndecodedFrame(read)
