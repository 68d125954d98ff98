"""The command that `doctor` recommends at the end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from edgecnn.data_quality.finding import Finding

__all__ = ["Recommendation"]


@dataclass(frozen=True)
class Recommendation:
    """The recommended next command, and the reason."""

    command: str
    why: str

    @classmethod
    def of(cls, why: str, *words: object) -> Recommendation:
        """Creates a recommendation from command words, quoted for a shell."""
        return cls(shlex.join(map(str, words)), why)

    @property
    def finding(self) -> Finding:
        """The recommendation as a finding, the last line on the terminal."""
        return Finding("note", self.why, "next", self.command)
