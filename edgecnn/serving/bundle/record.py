"""The newest version that a device verified: an older bundle, though signed, is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecnn.atomic import write_text
from edgecnn.plain_json import UNFIT
from edgecnn.serving.bundle.index import NEWEST_VERSION

__all__ = ["RecordFaultError", "VersionRecord"]

_MAX_BYTES = 4_096


class RecordFaultError(Exception):
    """The record is there and cannot be used; the text says why."""


@dataclass(frozen=True)
class VersionRecord:
    """The version of a bundle, and the SHA-256 of its ``bundle.json``, which holds those of all files."""

    version: int
    sha256: str

    @classmethod
    def load(cls, path: Path) -> VersionRecord | None:
        """Reads a record; None where there is none yet. Raises :class:`RecordFaultError`."""
        try:
            if not path.is_file():
                if path.exists():
                    raise RecordFaultError("is not a file")
                return None
            with path.open("rb") as file:
                found = json.loads(file.read(_MAX_BYTES + 1))
            version, sha256 = found["version"], found["sha256"]
        except OSError as error:
            raise RecordFaultError(f"cannot be read: {error.strerror}") from error
        except UNFIT as error:
            raise RecordFaultError("is damaged") from error
        if type(version) is not int or not 0 < version <= NEWEST_VERSION or not isinstance(sha256, str):
            raise RecordFaultError("is damaged")
        return cls(version, sha256)

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all. Raises :class:`edgecnn.errors.OutputError`."""
        write_text(path, json.dumps(asdict(self)) + "\n")
