"""Reads the bytes of images, from this machine's folders or from a store, by ``pyarrow.fs`` or ``fsspec``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecnn.errors import ImageError, InputNotFoundError, SourceError
from edgecnn.preprocess import read_bytes
from edgecnn.runtime.sources.redaction import without_passwords
from edgecnn.scale.images.addresses import StoreAddress, is_stored, place_of

__all__ = ["Storage", "open_store", "store_path"]

_OF_PYARROW = ("s3", "gs", "gcs")
_RETRIES_S = (0.5, 2.0, 8.0)  # waits before a store is asked again


@dataclass
class Storage:
    """Gives the bytes of images by the names that rows have. May be used by several threads, and pickled.

    Args:
        base: folder that paths of this machine begin from.
        openings: by place (``s3://bucket``), the address with login and options that opens it; places that it lacks
            are opened by their own names.
    """

    base: str
    openings: Mapping[str, str] = field(default_factory=dict, repr=False)
    _stores: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def read(self, name: str) -> bytes:
        """The whole file.

        Raises:
            InputNotFoundError: there is none of this name.
            ImageError: it cannot be read; of a store, after four attempts.
            MissingExtraError, SourceError: the store cannot be opened.
        """
        if not is_stored(name):
            return self._of_this_machine(name)
        store = self._store(place_of(name))
        for wait_s in (*_RETRIES_S, None):
            try:
                with store.open_input_stream(store_path(name), compression=None) as stream:
                    return bytes(stream.read())
            except FileNotFoundError as error:
                raise InputNotFoundError(f"{name}: no such file; check the address") from error
            except OSError as error:
                if wait_s is None:
                    raise ImageError(f"{name}: cannot be read: {_first_line(error)}") from error
                time.sleep(wait_s)
        raise AssertionError  # the last attempt returns or raises

    def _of_this_machine(self, name: str) -> bytes:
        path = os.path.join(self.base, name)  # noqa: PTH118  # as for every image: pathlib takes longer
        try:
            return read_bytes(path)
        except (ImageError, InputNotFoundError) as error:
            raise type(error)(f"{name}: {str(error).removeprefix(f'{path}: ')}") from error

    def _store(self, place: str) -> Any:
        with self._lock:
            if place not in self._stores:
                self._stores[place] = open_store(self.openings.get(place, place), place)
            return self._stores[place]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the stores that are open."""
        return Storage, (self.base, dict(self.openings))


def open_store(opening: str, place: str) -> Any:
    """The ``pyarrow.fs.FileSystem`` of a place.

    Args:
        opening: of a :class:`StoreAddress`; may hold secrets.
        place: the same without them, for messages.

    Raises:
        SourceError: nothing opens addresses of this scheme, or the address has an option that its store does not know.
    """
    from pyarrow import fs  # noqa: PLC0415  # of the extra `ray`: the fork server of the tests imports this module

    scheme = place.partition("://")[0].lower()
    try:
        if scheme in _OF_PYARROW:
            return fs.FileSystem.from_uri(opening)[0]
        import fsspec  # noqa: PLC0415  # of the extra `ray`

        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.core.url_to_fs(opening)[0]))
    except ImportError as error:
        raise SourceError(f"{place}: {_first_line(error)}; install what it names on every machine") from error
    except (ValueError, OSError, TypeError) as error:
        raise SourceError(
            f"{place}: cannot be opened: {without_passwords(_first_line(error))}; check the address"
        ) from error


def store_path(address: str | StoreAddress) -> str:
    """What an open store calls an address: ``bucket/folder/1.jpg``; an address of the web is its own name."""
    name = address if isinstance(address, str) else address.name
    scheme, _, rest = name.partition("://")
    return name if scheme.lower() in ("http", "https") else rest


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
