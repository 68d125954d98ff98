"""Lists the images below an address in a store: a folder, a pattern, or one image."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from glob import has_magic
from typing import Any

from edgecnn.errors import DataError, InputNotFoundError, SourceError
from edgecnn.image.suffixes import IMAGE_SUFFIXES
from edgecnn.runtime.sources.redaction import without_passwords
from edgecnn.scale.images.addresses import StoreAddress
from edgecnn.scale.images.storage import open_store, store_path

__all__ = ["list_stored"]

_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def list_stored(address: StoreAddress) -> list[str]:
    """The images of an address, sorted by name.

    An address of one object is that object, whatever its suffix. Below a folder, and of a pattern (``*``, ``?``,
    ``**``), images are known by their suffixes; hidden ones, and those in hidden folders, are left out.

    Raises:
        InputNotFoundError: no such bucket, folder or object.
        DataError: there is no image among what is there.
        SourceError: the store cannot be asked.
    """
    store = open_store(address.opening, address.place)
    try:
        return _listed(store, address)
    except FileNotFoundError as error:
        raise _missing(address) from error
    except OSError as error:
        why = without_passwords(str(error).splitlines()[0])
        if "NoSuchBucket" in why or "NO_SUCH_BUCKET" in why or "code 404" in why:
            raise _missing(address) from error
        raise SourceError(
            f"{address.name}: cannot be listed: {why}; check the address, the login and the network"
        ) from error


def _missing(address: StoreAddress) -> InputNotFoundError:
    return InputNotFoundError(f"{address.name}: no such bucket, folder or image; check the address")


def _listed(store: Any, address: StoreAddress) -> list[str]:
    from pyarrow import fs  # noqa: PLC0415  # of the extra `ray`

    path = store_path(address).rstrip("/")
    kind = store.get_file_info(path).type
    if kind == fs.FileType.File:
        return [address.name]
    if kind == fs.FileType.NotFound and not has_magic(address.key):
        raise FileNotFoundError
    fixed, fits = _pattern(path) if kind == fs.FileType.NotFound else (path, re.compile(".*", re.DOTALL))
    scheme = "" if path.startswith(("http://", "https://")) else f"{address.place.partition('://')[0]}://"
    below = (info for info in store.get_file_info(fs.FileSelector(fixed, recursive=True)) if info.is_file)
    found = [info.path for info in below if fits.fullmatch(info.path) and _is_image(info.path.removeprefix(fixed))]
    if not found:
        raise DataError(f"{address.name}: contains no images; check the address")
    found.sort()
    return [scheme + path for path in found]


def _is_image(below: str) -> bool:
    """Not by `pathlib`, which keeps the parts of each of ten million paths."""
    hidden = any(part.startswith(".") for part in below.split("/"))
    return not hidden and posixpath.splitext(below)[1].lower() in IMAGE_SUFFIXES


def _pattern(path: str) -> tuple[str, re.Pattern[str]]:
    """The folder above the first wildcard, and what the whole names have to look like."""
    parts = path.split("/")
    wild = next(i for i, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:wild]), re.compile("".join(_translated(path)), re.DOTALL)


def _translated(path: str) -> Iterator[str]:
    for piece in re.split(r"(\*\*/|\*\*|\*|\?)", path):
        yield _WILD.get(piece, re.escape(piece))
