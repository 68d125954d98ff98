"""The order of files that are numbered by their names."""

from __future__ import annotations

import re

__all__ = ["by_number"]


def by_number(name: str) -> list[tuple[int, str]]:
    """A sort key that takes digits as numbers and the rest as text, so that ``2.jpg`` comes before ``10.jpg``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
