"""From sources to the list of images: folders, globs, lists of paths, buckets, or paths on standard input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.files import FolderListing, expand_sources
from edgecnn.scale.images.addresses import is_stored, parse_stored
from edgecnn.scale.images.bucket_files import list_stored
from edgecnn.scale.images.image_list import ImageList
from edgecnn.scale.images.storage import Storage

__all__ = ["Listed", "list_sources"]

_LIST_SUFFIX = ".txt"


@dataclass
class Listed:
    """The images of the sources, and what reads them."""

    images: ImageList
    storage: Storage
    folders: tuple[FolderListing, ...]  # of this machine, with what was left out of them
    local: str | None  # one image that lies in a folder of this machine, which every worker has to see; None: none does


@dataclass
class _Listing:
    base: str
    openings: dict[str, str] = field(default_factory=dict)
    folders: list[FolderListing] = field(default_factory=list)
    local: str | None = None
    relative: bool = False

    def names(self, sources: Sequence[str]) -> Iterator[str]:
        for source in sources:
            for name in self._of(source):
                if not is_stored(name):
                    self.local = self.local or name
                    self.relative |= not os.path.isabs(name)  # noqa: PTH117  # for every path
                yield name

    def _of(self, source: str) -> Iterable[str]:
        if is_stored(source):
            address = parse_stored(source)
            self.openings[address.place] = address.opening
            if address.key.endswith(_LIST_SUFFIX):
                text = Storage(self.base, self.openings).read(address.name).decode(errors="surrogateescape")
                return self._lines(source, text.splitlines())
            return list_stored(address)
        if source.endswith(_LIST_SUFFIX) and os.path.isfile(source):  # noqa: PTH113
            return self._lines(source, _read_lines(source))
        if (kind := parse_address(source).kind) != "images":
            raise UsageError(
                f"{parse_address(source).name}: is a {kind}; --engine ray takes images, folders, lists of paths and "
                "buckets"
            )
        paths = expand_sources([source])
        self.folders += paths.folders
        return self._lines(source, paths) if source == "-" else paths

    def _lines(self, source: str, lines: Iterable[str]) -> Iterator[str]:
        """The names in a list, a line each. Raises :class:`DataError` where there is none."""
        count = 0
        for line in lines:
            if line.strip():
                count += 1
                yield self._without_login(line)
        if not count:
            raise DataError(f"{source}: the list has no path; give one path or address a line")

    def _without_login(self, line: str) -> str:
        if not is_stored(line):
            return line
        address = parse_stored(line)
        self.openings.setdefault(address.place, address.opening)
        return address.name


def list_sources(sources: Sequence[str]) -> Listed:
    """Lists all images, in the order of the sources; those of a folder or bucket sorted.

    A source with the suffix ``.txt`` is a list with a path or address a line.

    Raises:
        InputNotFoundError: a source does not exist.
        DataError: a folder, bucket or list has no images.
        SourceError: a store cannot be opened.
        UsageError: a source is a camera or a video.
    """
    listing = _Listing(os.getcwd())  # noqa: PTH109
    try:
        images = ImageList.of(listing.names(sources))
    except UnicodeDecodeError as error:
        raise InputNotFoundError(f"{sources[0]}: the list is no text; give one path a line") from error
    if listing.relative:
        images = images.below(listing.base)
    return Listed(images, Storage(listing.base, listing.openings), tuple(listing.folders), listing.local)


def _read_lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:  # noqa: PTH123
            for line in file:
                yield line.rstrip("\r\n")
    except OSError as error:
        raise InputNotFoundError(f"{path}: the list cannot be read: {error.strerror}; check the path") from error
