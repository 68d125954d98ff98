"""Which files of the watched folder were tried already, for the next start too."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgecnn.atomic import write_text
from edgecnn.errors import OutputError
from edgecnn.plain_json import parse_json

__all__ = ["Look", "WatchedRecord"]

log = logging.getLogger("edgecnn")

_MOST_ATTEMPTS = 3  # of a file whose check ended with the service itself: it must not end every start


@dataclass(frozen=True)
class Look:
    """How a file looked. As long as it looks the same, it is the same."""

    size: int  # bytes
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> Look:
        """Looks at a file now. Raises :class:`OSError`."""
        found = os.stat(path)  # noqa: PTH116  # Path.stat is the same, and slower
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class _Tried:
    look: Look
    attempts: int
    done: bool  # it was accepted or refused


class WatchedRecord:
    """Remembers by file name, in a small JSON file.

    Args:
        path: of that file. Where it cannot be written, files are remembered until the service ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tried = _read(path)

    def is_handled(self, name: str, look: Look) -> bool:
        """Whether this file needs no further attempt."""
        tried = self._tried.get(name)
        return tried is not None and tried.look == look and (tried.done or tried.attempts >= _MOST_ATTEMPTS)

    def begin(self, name: str, look: Look) -> None:
        """A file is about to be tried."""
        tried = self._tried.get(name)
        attempts = tried.attempts if tried is not None and tried.look == look else 0
        self._put(name, _Tried(look, attempts + 1, done=False))

    def postpone(self, name: str) -> None:
        """The attempt did not take place."""
        tried = self._tried[name]
        self._put(name, replace(tried, attempts=tried.attempts - 1))

    def done(self, name: str) -> None:
        """The file was accepted or refused."""
        self._put(name, replace(self._tried[name], done=True))

    def keep_only(self, names: set[str]) -> None:
        """Forgets files that are gone."""
        if gone := self._tried.keys() - names:
            for name in gone:
                del self._tried[name]
            self._write()

    def _put(self, name: str, tried: _Tried) -> None:
        self._tried[name] = tried
        self._write()

    def _write(self) -> None:
        try:
            write_text(self._path, json.dumps({name: asdict(tried) for name, tried in self._tried.items()}))
        except OutputError as error:
            log.warning("swap.watch: %s", error)


def _read(path: Path) -> dict[str, _Tried]:
    """Empty where the file is missing or damaged: all files are tried again."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        return {
            str(name): _Tried(Look(**tried["look"]), int(tried["attempts"]), bool(tried["done"]))
            for name, tried in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
