"""The files of a model that must outlive a restart: swapped-in model files, and which of them serves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecnn.atomic import atomic_path, make_folder, write_text
from edgecnn.error_text import format_remedy
from edgecnn.errors import ModelError, OutputError

__all__ = ["Pointer", "StoredModels", "sha256_of"]

_POINTER = "serving.json"
_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20


@dataclass(frozen=True)
class Pointer:
    """Which files serve under a name, by their SHA-256."""

    current: str
    previous: str | None
    configured: str  # of the file that the settings named when the swap was made


class StoredModels:
    """The folder ``models/NAME`` of the state folder: ``SHA256.onnx`` files and the pointer ``serving.json``.

    Every file is written under a temporary name, flushed to disk and renamed, so that each is whole or not there.

    Args:
        state: the state folder.
        name: of the model.
    """

    def __init__(self, state: Path, name: str) -> None:
        self.folder = state / "models" / name

    def file(self, sha256: str) -> Path:
        """Where the file with this hash is kept."""
        return self.folder / f"{sha256}.onnx"

    def new_file(self) -> Path:
        """Makes an empty file for a model that is still arriving. Raises :class:`OutputError`."""
        make_folder(self.folder)
        try:
            handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=self.folder)
        except OSError as error:
            raise OutputError(
                f"the model cannot be stored: {error.strerror}; free disk space, or allow writing, and send it again"
            ) from error
        os.close(handle)
        return Path(name)

    def take_in(self, path: Path, sha256: str, *, move: bool) -> Path:
        """Keeps a model file and returns its place.

        Args:
            path: the file.
            sha256: that it has.
            move: the file may be moved; else it is copied.

        Raises:
            OutputError: the disk is full, or cannot be written.
            ModelError: the file changed since it was hashed.
        """
        target = self.file(sha256)
        with atomic_path(target) as temporary:
            if move:
                path.replace(temporary)
            else:
                shutil.copyfile(path, temporary)
                if sha256_of(temporary) != sha256:
                    raise ModelError(f"{path}: changed while it was read; write it under another name and rename it")
        return target

    def point(self, pointer: Pointer) -> None:
        """Says which files serve from the next start on. Raises :class:`OutputError`."""
        write_text(self.folder / _POINTER, json.dumps({"version": _VERSION, **asdict(pointer)}, indent=1) + "\n")

    def forget(self) -> None:
        """The configured file serves from the next start on. Raises :class:`OutputError`."""
        path = self.folder / _POINTER
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror}; allow writing there") from error

    def pointer(self) -> Pointer | None:
        """Which files serve; None: those of the settings.

        Raises:
            ModelError: the pointer file is damaged.
        """
        path = self.folder / _POINTER
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            version = found["version"]
            if isinstance(version, int) and version > _VERSION:
                raise ModelError(f"{path}: {format_remedy(version, _VERSION, 'send the model again')}")
            pointer = Pointer(found["current"], found["previous"], found["configured"])
            known = version == _VERSION
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"{path}: is damaged ({error}); send the model again") from error
        hashes = [pointer.current, pointer.configured, *([] if pointer.previous is None else [pointer.previous])]
        if not known or not all(isinstance(value, str) and _SHA256.fullmatch(value) for value in hashes):
            raise ModelError(f"{path}: is damaged; send the model again")
        return pointer

    def remove_all_but(self, keep: Collection[str]) -> None:
        """Removes the model files that nothing points to. What cannot be removed stays until the next time."""
        with suppress(OSError):
            for file in self.folder.glob("*.onnx"):
                if file.stem not in keep:
                    file.unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Removes what a killed process left half-written."""
        with suppress(OSError):
            for file in self.folder.glob(".*.part"):
                file.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal. Raises :class:`OSError`."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()
