"""Image files: a file, a folder, a glob pattern, or paths on standard input."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgecnn.errors import DataError, ImageError, InputNotFoundError, SourceError
from edgecnn.preprocess import MAX_PIXELS, decode, read_bytes
from edgecnn.runtime.sources.address import VIDEO_SUFFIXES
from edgecnn.runtime.sources.frame import Frame, now_rfc3339

__all__ = ["expand_sources", "read_frame"]


def read_frame(path: str, index: int, max_pixels: int = MAX_PIXELS) -> Frame:
    """Reads one image file. Raises :class:`InputNotFoundError` or :class:`ImageError`."""
    if Path(path).suffix.lower() in VIDEO_SUFFIXES and Path(path).is_file():
        raise ImageError(f"{path}: is a video in a list of images; give it as a separate source")
    captured_at, start = now_rfc3339(), time.perf_counter()
    captured_monotonic_s = time.monotonic()
    image = decode(read_bytes(path), name=path, max_pixels=max_pixels, color="bgr")
    decode_ms = (time.perf_counter() - start) * 1e3
    return Frame(
        image=image,
        name=path,
        index=index,
        media_time_s=None,
        decode_ms=decode_ms,
        captured_at=captured_at,
        captured_monotonic_s=captured_monotonic_s,
    )


def expand_sources(sources: Iterable[str]) -> Iterator[str]:
    """Yields image paths in the given order, those of a folder sorted. Checks all sources before the first path.

    Raises:
        InputNotFoundError: a path or pattern matches nothing, or standard input has no path.
        DataError: a folder has no images.
        SourceError: unknown kind of source.
    """
    return (path for group in [_expand(source) for source in sources] for path in group)


def _expand(source: str) -> Iterable[str]:
    if source == "-":
        return _named_on_input()
    path = Path(source)
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return (source,)
    except OSError as error:  # longer than a name may be
        raise InputNotFoundError(
            f"{source}: no such image, folder or pattern: {error.strerror}; check the path"
        ) from error
    import glob  # noqa: PLC0415  # a path that is there needs none

    matches = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []  # noqa: PTH207  # a pattern may be absolute
    if not matches and "://" in source:
        scheme = source.partition("://")[0]
        raise SourceError(
            f"{scheme}://: no such kind of source; there are rtsp://, http://, https:// and those of `edgecnn "
            "predict --help`"
        )
    if not matches:
        raise InputNotFoundError(f"{source}: no such image, folder or pattern; check the path")
    once: dict[str, str] = {}  # `**` matches folders and what is in them
    for match in matches:
        for found in _folder(Path(match)) if Path(match).is_dir() else (match,):
            once.setdefault(os.path.normpath(found), found)
    return once.values()


def _named_on_input() -> Iterator[str]:
    named = 0
    for raw in sys.stdin:
        line = raw.rstrip("\r\n")
        if not named:
            line = line.removeprefix("\ufeff")  # Windows' programs begin a list with a byte order mark
        if line:
            named += 1
            yield line
    if not named:
        raise InputNotFoundError("-: no paths on standard input; give one path per line")


def _folder(folder: Path) -> list[str]:
    from edgecnn.data.dataset import find_images  # noqa: PLC0415  # a single image needs none of it

    found = [str(path) for path in find_images(folder)]
    if not found:
        raise DataError(f"{folder}: the folder contains no images; check the path")
    return found
