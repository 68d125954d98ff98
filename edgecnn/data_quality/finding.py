"""The result of one check of `doctor`: its severity, what was found, where, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Level"]

Level = Literal["ok", "note", "warning", "fault"]


@dataclass(frozen=True)
class Finding:
    """One result of a check. A `fault` ends `doctor` with exit status 3; a `warning`, a `note` and an `ok` do not."""

    level: Level
    what: str
    where: str  # the subject in a word (of a machine: docs/doctor.md lists them), or the files
    remedy: str  # empty where there is nothing to do
