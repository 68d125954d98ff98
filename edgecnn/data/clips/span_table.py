"""Labels of time spans within clips: a CSV file with a clip, a start, an end and a label in each row."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from edgecnn.errors import DataError, InputNotFoundError

__all__ = ["LabelSpan", "read_span_table"]


@dataclass(frozen=True)
class LabelSpan:
    """A labelled time span of a clip."""

    start_s: float
    end_s: float  # infinity: until the clip ends
    label: str
    where: str  # table and line, for errors


def read_span_table(table: Path, root: Path, clip_column: Literal["clip", "path"]) -> dict[Path, tuple[LabelSpan, ...]]:
    """Reads a table. The spans of each clip are sorted by time and do not overlap.

    Args:
        table: the CSV file, with the columns ``clip_column``, ``start_s``, ``end_s`` and ``label``. An empty time is
            the start or the end of the clip.
        root: paths in the table are relative to it.
        clip_column: name of the column with the clips.

    Raises:
        InputNotFoundError: the table, or a clip that it names, does not exist.
        DataError: the table is invalid, or spans of one clip overlap.
    """
    columns = (clip_column, "start_s", "end_s", "label")
    spans: dict[Path, list[LabelSpan]] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != columns:
                raise DataError(f"{table}: the header line is not {','.join(columns)}; correct the table")
            for row in rows:
                path, span = _row(f"{table}, line {rows.line_num}", row, root, columns)
                spans.setdefault(path, []).append(span)
    except InputNotFoundError:
        raise  # of a clip; it is a FileNotFoundError too
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{table}: no such table; check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read as CSV: {error}; correct the table") from error
    if not spans:
        raise DataError(f"{table}: the table has no rows; give a clip and a label in each row")
    return {path: _apart(table, path, found) for path, found in spans.items()}


def _row(where: str, row: Mapping[str, str | None], root: Path, columns: Sequence[str]) -> tuple[Path, LabelSpan]:
    name, start, end, label = (row.get(column) for column in columns)
    if not name or label is None or None in row:
        raise DataError(f"{where}: expected four values, {','.join(columns)}")
    if not label.strip():
        raise DataError(f"{where}: the label is empty; give a label, or remove the line to leave the span unlabelled")
    try:
        span = LabelSpan(float(start or 0), float(end or math.inf), label.strip(), where)
    except ValueError as error:
        raise DataError(f"{where}: times are {start!r} and {end!r}; expected numbers of seconds") from error
    if not 0 <= span.start_s < span.end_s:
        raise DataError(f"{where}: from {start} s to {end} s is not a valid time span; expected 0 <= start_s < end_s")
    path = root / name
    if not path.exists():
        raise InputNotFoundError(f"{where}: {path}: no such video or folder of frames; check the path")
    return path, span


def _apart(table: Path, path: Path, spans: Sequence[LabelSpan]) -> tuple[LabelSpan, ...]:
    ordered = sorted(spans, key=lambda span: span.start_s)
    for first, second in pairwise(ordered):
        if second.start_s < first.end_s:
            raise DataError(
                f"{table}: {path.name} has overlapping spans at {second.start_s:g} s; end each span before the next one"
            )
    return tuple(ordered)
