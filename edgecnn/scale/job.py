"""What an output folder holds the answers of. Another run in the same folder has to be the same job."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecnn._version import __version__
from edgecnn.atomic import write_text
from edgecnn.errors import OutputError
from edgecnn.folder_lock import LOCK_FILE
from edgecnn.plain_json import parse_json

__all__ = ["Job", "check_job", "default_shard_size", "keep_job"]

_FILE = "job.json"
_MOST_IN_SHARD, _LEAST_IN_SHARD, _SHARDS = 1000, 16, 64

_WORDS = {
    "model_sha256": "model",
    "list_sha256": "list of images",
    "images": "number of images",
    "shard_size": "--shard-size",
    "region": "--roi",
    "max_pixels": "--max-megapixels",
    "labelled": "command (predict or val)",
}


@dataclass(frozen=True)
class Job:
    """All that decides which rows a shard has; times alone differ between two runs of one job."""

    model_sha256: str
    list_sha256: str
    images: int
    shard_size: int  # images in a shard; the last one may have fewer
    labelled: bool  # rows have the class of the image and all probabilities, for `val`
    ep: str
    threshold: float | None
    topk: int
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    max_pixels: int
    region: str | None

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.images // self.shard_size)

    def place(self, shard: int) -> tuple[int, int]:
        """The number of the first image of a shard, and how many it has."""
        first = shard * self.shard_size
        return first, min(self.shard_size, self.images - first)


def default_shard_size(images: int) -> int:
    """Images in a shard, by their number alone, so that another cluster cuts the same shards: 64 shards of 16 to 1000
    images, and beyond 64,000 images shards of 1000."""
    return min(_MOST_IN_SHARD, max(_LEAST_IN_SHARD, math.ceil(images / _SHARDS)))


def check_job(folder: Path, job: Job) -> None:
    """Checks that an output folder is free, or for this job.

    Raises:
        OutputError: it holds the answers of another job, or files of something else.
    """
    path = folder / _FILE
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(entry.name != LOCK_FILE for entry in folder.iterdir())):
            raise OutputError(f"{folder}: holds something else; name an empty folder with --out")
        return
    then, now = _read(path), json.loads(json.dumps(asdict(job)))
    if different := [key for key in now if then.get(key) != now[key]]:
        key = different[0]
        raise OutputError(
            f"{folder}: holds the answers of another {_WORDS.get(key, f'--{key}')} ({_shown(then.get(key))} there, "
            f"{_shown(now[key])} now); name another --out, or remove the folder"
        )


def keep_job(folder: Path, job: Job) -> None:
    """Writes what a folder that exists is for, or checks that it is for the same. Raises :class:`OutputError`."""
    check_job(folder, job)
    if not (folder / _FILE).exists():
        text = json.dumps({"job": asdict(job), "created_by": f"edgecnn {__version__}"}, indent=1)
        write_text(folder / _FILE, text + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text(encoding="utf-8"))["job"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path}: cannot be read; name another --out, or remove the folder") from error
    return found if isinstance(found, dict) else {}


def _shown(value: object) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else f"{value}"
