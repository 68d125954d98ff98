"""The table of a comparison, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from results import Figure, Row
from rich.table import Table
from rounds import THREADS

__all__ = ["markdown", "table"]

_SPEED = ("peer", *(f"p50, p95 at {n}, ms" for n in THREADS), "500 px, images/s", "12 MP, images/s")
_COST = ("cold start, s", "memory, MB", "installed, MB", "CPU s an image, 500 px", "12 MP", "lines")
_RIGHT = ("top-1", "agreement")
_COLUMNS = (*_SPEED, *_COST, *_RIGHT)


def table(rows: Sequence[Row], title: str) -> Table:
    """With the reasons of those that do not run."""
    made = Table(title=title, title_justify="left")
    for i, column in enumerate(_COLUMNS):
        made.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        made.add_row(*_cells(row))
    return made


def markdown(rows: Sequence[Row]) -> str:
    """The same, ready for a page."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *(_cells(row) for row in rows)]
    told = [f"- {row.peer} {row.form}: {row.why_not}" for row in rows if row.why_not]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in lines] + ["", *told]).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    name = f"{row.peer}, {row.form}"
    if row.why_not:
        return (name, "does not run", *[""] * (len(_COLUMNS) - 2))
    assert row.p50_ms is not None
    assert row.p95_ms is not None
    assert row.images_s is not None
    assert row.cpu_s is not None
    return (
        name,
        *(_latency(row.p50_ms[n], row.p95_ms[n]) for n in THREADS),
        *(_told(row.images_s[f], ".1f") for f in ("small", "large")),
        _told(row.cold_s, ".2f"),
        _told(row.peak_mb, ".0f"),
        "" if row.install_mb is None else f"{row.install_mb:.0f}",
        *(_told(row.cpu_s[f], ".4f") for f in ("small", "large")),
        str(row.lines),
        *("" if share is None else f"{share:.1%}" for share in (row.top1, row.agreement)),
    )


def _told(figure: Figure | None, form: str) -> str:
    if figure is None:
        return ""
    return f"{figure.value:{form}}" + ("" if figure.ratio is None else f" ({figure.ratio:.2f}x)")


def _latency(p50: Figure | None, p95: float | None) -> str:
    return "" if p50 is None or p95 is None else f"{_told(p50, '.2f')}, {p95:.2f}"
