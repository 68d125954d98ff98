"""Remembers by hash which model files were let in and which were not, for this process and for the next ones.

One small JSON file a model, in a folder that this user alone may write to. What is not there, damaged, or of another
version of the rules or of onnxruntime, is not known: the model is probed again.
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

__all__ = ["Verdict", "recall", "remember", "verdict_folder"]

log = logging.getLogger("edgecnn")

_RULES = 1  # raise it with every change of the rules or of the probe
_MOST = 1_000
_MAX_BYTES = 4_096

_here: dict[str, Verdict] = {}  # of this process: a device whose disk cannot be written probes once a start
_told: set[str] = set()


@dataclass(frozen=True)
class Verdict:
    """On one model file; ``why`` it is refused, None where it is not."""

    why: str | None
    rules: int = _RULES
    onnxruntime: str = onnxruntime.__version__
    proven: str | None = (
        None  # the circumstances under which its golden samples held, see :mod:`edgecnn.runtime.session.golden_cache`
    )


def recall(sha256: str) -> Verdict | None:
    """The verdict on a file of this hash; None: not known, or no longer valid."""
    if sha256 not in _here:
        found = _read(sha256)
        if found is None:
            return None
        _here[sha256] = found
    return _here[sha256]


def remember(sha256: str, verdict: Verdict) -> None:
    """Keeps a verdict. Where the folder cannot be used, for this process alone, and says so once."""
    _here[sha256] = verdict
    folder = verdict_folder()
    try:
        if not _is_ours(folder, make=True):
            return
        write_text(folder / f"{sha256}.json", json.dumps(asdict(verdict)))
        _drop_oldest(folder)
    except (OSError, OutputError) as error:
        _tell(folder, error.strerror or str(error))


def verdict_folder() -> Path:
    """Where verdicts lie: in ``EDGECNN_CACHE``, else in the user's cache."""
    named = os.environ.get("EDGECNN_CACHE")
    if named:
        return Path(named) / "verdicts"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or os.path.expanduser("~/.cache")) / "edgecnn" / "verdicts"  # noqa: PTH111  Path.home() raises where there is none


def _read(sha256: str) -> Verdict | None:
    folder = verdict_folder()
    try:
        if not _is_ours(folder, make=False):
            return None
        with (folder / f"{sha256}.json").open("rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
        verdict = Verdict(found["why"], found["rules"], found["onnxruntime"], found.get("proven"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = isinstance(verdict.why, str | None) and (verdict.rules, verdict.onnxruntime) == (
        _RULES,
        onnxruntime.__version__,
    )
    return verdict if known else None


def _is_ours(folder: Path, *, make: bool) -> bool:
    """Whether nobody else could have written a verdict there."""
    if make:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        _tell(folder, "it is no folder")
        return False
    if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        _tell(folder, "others may write there, so it is not trusted; chmod 700 it, or name another with EDGECNN_CACHE")
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
        log.warning("%s: verdicts on model files are not kept there, each start probes them again: %s", folder, why)
