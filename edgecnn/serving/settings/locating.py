"""Finds the line of a key in a TOML file: the parser does not tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["line_of"]

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def line_of(text: str, place: Sequence[int | str]) -> int | None:
    """Returns the line, from 1, of the key at a place such as ``("sources", 0, "address")``.

    Where the key itself is not there, since it is missing or stands in an inline table, it is the line of the nearest
    table or key around it; None: nothing of it is in the file.
    """
    lines = _lines_by_place(text)
    for end in range(len(place), 0, -1):
        if (line := lines.get(tuple(place[:end]))) is not None:
            return line
    return None


def _lines_by_place(text: str) -> dict[tuple[int | str, ...], int]:
    """The lines of tables and keys. Later tables of an array have the next number."""
    lines: dict[tuple[int | str, ...], int] = {}
    counts: dict[tuple[int | str, ...], int] = {}
    table: tuple[int | str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.fullmatch(line):
            table = _table(match[2], counts, is_array=match[1] == "[[")
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, *_parts(match[1])), number)
    return lines


def _table(name: str, counts: dict[tuple[int | str, ...], int], *, is_array: bool) -> tuple[int | str, ...]:
    place: tuple[int | str, ...] = ()
    parts = _parts(name)
    for i, part in enumerate(parts):
        place = (*place, part)
        last = i == len(parts) - 1
        if last and is_array:
            counts[place] = counts.get(place, 0) + 1
        if place in counts:
            place = (*place, counts[place] - 1)
    return place


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
