"""Results to standard output, messages to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.error_text import printable
from edgecnn.plain_json import as_json

if TYPE_CHECKING:
    from rich.table import Table

    from edgecnn.data_quality.finding import Finding
    from edgecnn.runtime.sources.files import FolderListing

__all__ = [
    "as_json",
    "nodes_by_provider",
    "note",
    "note_left_out",
    "print_facts",
    "print_findings",
    "print_json",
    "print_table",
]


def print_json(value: Any) -> None:
    """One line of JSON on standard output, at once."""
    print(json.dumps(as_json(value)), flush=True)


def note(line: str) -> None:
    """A line for people, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def note_left_out(folders: Sequence[FolderListing]) -> None:
    """Of folders: which of their files were not tried, and why."""
    if not any(folder.left_out for folder in folders):
        return
    from edgecnn.data.left_out import left_out_by_reason, usage_line

    for folder in folders:
        if folder.left_out:
            note(f"{folder.source}: {usage_line(folder.images, left_out_by_reason(folder.left_out))}")


def nodes_by_provider(nodes: Mapping[str, int] | None) -> str:
    """Who runs how much of the graph."""
    return (
        "this onnxruntime does not tell"
        if nodes is None
        else ", ".join(f"{count} on {name}" for name, count in nodes.items())
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, its numbers to the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold", no_wrap=i > 0)
    _print(table, rows)


def print_facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names and values on standard output."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    _print(table, rows)


_TOPIC_LENGTH = 12
_LEVEL_STYLES = {"fault": "bold red", "warning": "yellow", "ok": "green", "note": "dim"}


def print_findings(findings: Sequence[Finding]) -> None:
    """What was found, where, and what to do, a block each, on standard output.

    Short topics stand in a column, paths below what was found.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    topics = all(len(finding.where) <= _TOPIC_LENGTH for finding in findings)
    for _ in range(1 + topics):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for finding in findings:
        where, before = "" if finding.where == before else finding.where, finding.where
        told = Text(_lines(finding.what))
        if where and not topics:
            told.append(f"\n{_lines(where)}", "dim")
        if finding.remedy:
            told.append(f"\n→ {_lines(finding.remedy)}")
        table.add_row(
            Text(finding.level, _LEVEL_STYLES[finding.level]), *([Text(_lines(where), "dim")] if topics else []), told
        )
    Console().print(table)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _print(table: Table, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    for row in rows:
        table.add_row(*(Text(_lines(cell)) for cell in row))  # as plain text: a label in square brackets is not markup
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width, so no number is cut off
        console.width = max(console.width, console.measure(table).maximum)
    console.print(table)
