"""Caches, by SHA-256, which model files were admitted or refused, for this process and later ones.

One small JSON file per model, in a folder that only this user may write to. If the file is missing, corrupt, or from
another version of the rules or of onnxruntime, the model is probed again.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import onnxruntime

from edgecnn.atomic import write_text
from edgecnn.errors import OutputError
from edgecnn.plain_json import UNFIT
from edgecnn.runtime.admission.early_start import verdict_folder

__all__ = ["Verdict", "recall", "remember"]

log = logging.getLogger("edgecnn")

_RULES = 2  # raise it with every change of the rules or of the probe
_MOST = 1_000
_MAX_BYTES = 4_096

_here: dict[str, Verdict] = {}  # of this process: a device whose disk cannot be written probes once a start
_told: set[str] = set()


@dataclass(frozen=True)
class Verdict:
    """The verdict on one model file; ``why`` is the reason for a refusal, or None."""

    why: str | None
    rules: int = _RULES
    onnxruntime: str = onnxruntime.__version__
    proven: str | None = (
        None  # the circumstances under which its golden samples held, see :mod:`edgecnn.runtime.golden.cache`
    )


def recall(sha256: str) -> Verdict | None:
    """Returns the verdict on the file with this SHA-256; None if there is none or it is outdated."""
    if sha256 not in _here:
        found = _read(sha256)
        if found is None:
            return None
        _here[sha256] = found
    return _here[sha256]


def remember(sha256: str, verdict: Verdict) -> None:
    """Stores a verdict. If the folder cannot be used, keeps it for this process only and logs one warning."""
    _here[sha256] = verdict
    folder = verdict_folder()
    try:
        if not _is_ours(folder, make=True):
            return
        write_text(folder / f"{sha256}.json", json.dumps(asdict(verdict)))
        _drop_oldest(folder)
    except (OSError, OutputError) as error:
        _tell(folder, error.strerror or str(error))


def _read(sha256: str) -> Verdict | None:
    folder = verdict_folder()
    try:
        if not _is_ours(folder, make=False):
            return None
        with (folder / f"{sha256}.json").open("rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
        verdict = Verdict(found["why"], found["rules"], found["onnxruntime"], found.get("proven"))
    except (OSError, *UNFIT):
        return None
    known = isinstance(verdict.why, str | None) and (verdict.rules, verdict.onnxruntime) == (
        _RULES,
        onnxruntime.__version__,
    )
    return verdict if known else None


def _is_ours(folder: Path, *, make: bool) -> bool:
    """Whether only this user can write to the folder."""
    if make:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        _tell(folder, "it is not a folder")
        return False
    if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        _tell(
            folder,
            "other users may write there, so it is not trusted; run chmod 700 on it, or set "
            "EDGECNN_CACHE to another folder",
        )
        return False
    return True


def _drop_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        files = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in entries)
    for _, path in files[: max(0, len(files) - _MOST)]:
        with suppress(FileNotFoundError):
            Path(path).unlink()


def _tell(folder: Path, why: str) -> None:
    if str(folder) not in _told:
        _told.add(str(folder))
        log.warning("%s: the verdict cache cannot be used, so each start checks model files again: %s", folder, why)
