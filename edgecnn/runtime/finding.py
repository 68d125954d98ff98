"""One thing that an examination found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """A fault ends `doctor` with status 3; a warning, a note and an ok do not."""

    level: Literal["ok", "note", "warning", "fault"]
    what: str
    where: str
    remedy: str  # empty where there is nothing to do
