"""How findings name files and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["Names", "count", "few"]

_LISTED = 5  # names in a finding; the rest is counted


class Names:
    """Files as a reader of the findings knows them: below the folder examined."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._root = root

    def one(self, path: Path) -> str:
        """The path below the folder; the whole path of a file that a table names elsewhere."""
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)

    def some(self, paths: Iterable[Path]) -> str:
        """A few, and how many more."""
        return few([self.one(p) for p in paths], ", ")


def few(words: Sequence[str], between: str) -> str:
    """The first of them, and how many more."""
    return between.join(words[:_LISTED]) + (f"{between}and {len(words) - _LISTED} more" if len(words) > _LISTED else "")


def count(number: int, one: str, many: str) -> str:
    """A number with its noun: ``1 image``, ``2,000 images``."""
    return f"1 {one}" if number == 1 else f"{number:,} {many}"
