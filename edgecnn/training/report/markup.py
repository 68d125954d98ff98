"""Sections, tables and figures in HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["figure_text", "range_text", "section", "table"]


def section(title: str, content: str, reading: str = "") -> str:
    """One section of HTML; ``reading`` tells a learner how to read it."""
    paragraph = f'<p class="reading">{reading}</p>' if reading else ""
    return f"<section><h2>{title}</h2>{content}{paragraph}</section>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], names: int) -> str:
    """A table that scrolls within itself when it is long.

    Cells are HTML already; the first ``names`` columns are words, the others figures.
    """
    kinds = ['class="name"' if k < names else 'class="number"' for k in range(len(heads))]
    head = "".join(f'<th scope="col" {kind}>{text}</th>' for kind, text in zip(kinds, heads, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {k}>{cell}</td>" for k, cell in zip(kinds, row, strict=True)) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll long" tabindex="0"><table class="list"><thead><tr>{head}</tr></thead><tbody>'
        f"{body}</tbody></table></div>"
    )


def figure_text(value: float | None) -> str:
    """A figure in three decimals, or a dash."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def range_text(found: tuple[float, float] | None) -> str:
    """An interval of 95 %, as HTML, or nothing."""
    return "" if found is None else f"95&nbsp;%: {figure_text(found[0])} to {figure_text(found[1])}"
