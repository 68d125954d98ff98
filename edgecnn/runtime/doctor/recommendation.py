"""The one command that `doctor` ends with."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from edgecnn.data_quality.finding import Finding

__all__ = ["Recommendation"]


@dataclass(frozen=True)
class Recommendation:
    """What to run next, and why that."""

    command: str
    why: str

    @classmethod
    def of(cls, why: str, *words: object) -> Recommendation:
        """A command of these words, as a shell wants them."""
        return cls(shlex.join(map(str, words)), why)

    @property
    def finding(self) -> Finding:
        """The same as the last line of the screen."""
        return Finding("note", self.why, "next", self.command)
