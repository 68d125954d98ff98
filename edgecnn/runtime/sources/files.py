"""Image files: a file, a folder, a glob pattern, or paths on standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import DataError, ImageError, InputNotFoundError, SourceError
from edgecnn.image.suffixes import VIDEO_SUFFIXES
from edgecnn.preprocess import MAX_PIXELS, ModelInput, read_bytes
from edgecnn.runtime.sources.frame import Frame, read_frame_bytes
from edgecnn.runtime.sources.redaction import without_login

if TYPE_CHECKING:
    from edgecnn.data.left_out import LeftOut

__all__ = ["FolderListing", "ImagePaths", "expand_sources", "read_frame"]


@dataclass(frozen=True)
class FolderListing:
    """What one walk through a folder found, or through the folders that a pattern matches."""

    source: str
    images: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class ImagePaths:
    """Paths of images in the given order. Those on standard input are read while iterating."""

    groups: tuple[Iterable[str], ...]  # one a source
    folders: tuple[FolderListing, ...]  # of the folders and patterns among the sources

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self.groups)

    def count(self) -> int | None:
        """How many there are; None: standard input has no end in sight."""
        counts = [len(group) if isinstance(group, tuple) else None for group in self.groups]
        return None if None in counts else sum(count or 0 for count in counts)


def read_frame(path: str, index: int, max_pixels: int = MAX_PIXELS, model: ModelInput | None = None) -> Frame:
    """Reads one image file.

    Args:
        path: of the file.
        index: of the frame.
        max_pixels: a larger image is refused.
        model: what the image is decoded for; None: it is decoded whole.

    Raises:
        InputNotFoundError, ImageError: the file cannot be read.
    """
    if Path(path).suffix.lower() in VIDEO_SUFFIXES and Path(path).is_file():
        raise ImageError(f"{path}: is a video in a list of images; give it as a separate source")
    return read_frame_bytes(lambda: read_bytes(path, max_pixels), path, index, max_pixels, model)


def expand_sources(sources: Iterable[str]) -> ImagePaths:
    """Lists image paths in the given order, those of a folder sorted. Checks all sources, and reads each folder once.

    Raises:
        InputNotFoundError: a path or pattern matches nothing; while iterating, standard input has no path.
        DataError: a folder has no images.
        SourceError: unknown kind of source.
    """
    folders: list[FolderListing] = []
    return ImagePaths(tuple(_expand(source, folders) for source in sources), tuple(folders))


def _expand(source: str, folders: list[FolderListing]) -> Iterable[str]:
    if source == "-":
        return _named_on_input()
    path = Path(source)
    try:
        if path.is_dir():
            found = _below(source, [path], folders)
            if not found:
                raise DataError(_no_images(source, folders.pop()))
            return found
        if path.exists():
            return (source,)
    except OSError as error:  # longer than a name may be
        raise InputNotFoundError(
            f"{without_login(source)}: no such image, folder or pattern: {error.strerror}; check the path"
        ) from error
    return _matching(source, folders)


def _matching(source: str, folders: list[FolderListing]) -> tuple[str, ...]:
    import glob  # noqa: PLC0415  # a path that is there needs none

    # Not Path.glob(): a pattern may be absolute
    matches = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []  # noqa: PTH207
    if not matches and "://" in source:
        scheme = source.partition("://")[0]
        raise SourceError(
            f"{scheme}://: no such kind of source; there are rtsp://, http://, https:// and those of `edgecnn "
            "predict --help`"
        )
    if not matches:
        shown = without_login(source)
        remedy = "check the path" if shown == source else "an address of a camera begins with rtsp:// or http://"
        raise InputNotFoundError(f"{shown}: no such image, folder or pattern; {remedy}")
    matched = {Path(match) for match in matches if Path(match).is_dir()}
    # `**` matches folders and what is in them: the walk through the outermost ones decides on that
    named = [match for match in matches if matched.isdisjoint((Path(match), *Path(match).parents))]
    outermost = sorted(folder for folder in matched if matched.isdisjoint(folder.parents))
    found = {os.path.normpath(path): path for path in (*named, *_below(source, outermost, folders))}
    if not found:
        raise DataError(_no_images(source, folders.pop()))
    return tuple(found[name] for name in sorted(found))


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


def _below(source: str, roots: list[Path], folders: list[FolderListing]) -> tuple[str, ...]:
    """The images below folders that a source names or matches; adds what was found there to ``folders``."""
    if not roots:
        return ()
    from edgecnn.data.folder_files import list_files  # noqa: PLC0415  # a single image needs none of it

    found = [list_files(root) for root in roots]
    images = tuple(str(path) for files in found for path in files.images)
    folders.append(FolderListing(source, len(images), tuple(file for files in found for file in files.left_out)))
    return images


def _no_images(source: str, listing: FolderListing) -> str:
    from edgecnn.data.left_out import in_place_of_images  # noqa: PLC0415

    return f"{source}: the folder contains no images{in_place_of_images(listing.left_out)}; check the path"
