#!/usr/bin/env python
"""A comparison as bars, for a page: images a second in two folders, and milliseconds of one image.

python benchmarks/peers/chart.py FILE.json docs/images/peers.svg

A peer is shown in the form that answers a folder fastest, the best peer of each figure first. The plot follows the
colours of the reader's system, light or dark.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

WIDTH, ROW = 720, 22
_NAMES, _BARS = 158, 490  # pixels before the bars, and of the longest bar
_MARGIN = 8
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c1c1c }
.title { font-weight: 600; font-size: 14px }
.value { font-variant-numeric: tabular-nums }
.ground { fill: #ffffff }
.bar { fill: #9aa4b1 }
.own { fill: #1f5fa8 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6 }
  .ground { fill: #14171c }
  .bar { fill: #5d6876 }
  .own { fill: #5b9be6 }
}
"""


@dataclass(frozen=True)
class Panel:
    """One figure of every peer."""

    title: str
    form: str  # of the number
    values: tuple[tuple[str, float], ...]


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    target.write_text(draw(panels(json.loads(source.read_text())["rows"])))


def panels(rows: Sequence[dict[str, Any]]) -> tuple[Panel, ...]:
    """Of the rows that have figures."""
    shown = chosen([row for row in rows if not row["why_not"]])
    one = [row for row in shown if row["p50_ms"]["1"] is not None]
    return (
        Panel("500-pixel JPEGs, images/s", ".0f", values(shown, "images_s", "small")),
        Panel("12-megapixel JPEGs, images/s", ".0f", values(shown, "images_s", "large")),
        Panel("One 500-pixel JPEG on one thread, ms (shorter is better)", ".1f", values(one, "p50_ms", "1")[::-1]),
    )


def chosen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The faster form of every peer."""
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["images_s"]["small"]["value"]):
        best[row["peer"]] = row
    return list(best.values())


def values(rows: Sequence[dict[str, Any]], figure: str, of: str) -> tuple[tuple[str, float], ...]:
    """The largest first."""
    found = ((f"{row['peer']}, {row['form']}", row[figure][of]["value"]) for row in rows)
    return tuple(sorted(found, key=lambda pair: pair[1], reverse=True))


def draw(shown: Sequence[Panel]) -> str:
    """One panel below the other."""
    parts, y = [], _MARGIN
    for panel in shown:
        parts.append(f'<text class="title" x="{_MARGIN}" y="{y + 16}">{escape(panel.title)}</text>')
        parts += bars(panel, y + 26)
        y += 26 + ROW * len(panel.values) + _MARGIN * 2
    label = escape("; ".join(panel.title for panel in shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
        f'aria-label="{label}">\n<style>{_STYLE}</style>\n<rect class="ground" width="{WIDTH}" height="{y}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def bars(panel: Panel, top: int) -> list[str]:
    longest = max(value for _, value in panel.values)
    parts = []
    for i, (name, value) in enumerate(panel.values):
        y, width = top + i * ROW, max(1.0, value / longest * _BARS)
        kind = "own" if name.startswith("edgecnn") else "bar"
        parts.append(
            f'<text x="{_MARGIN}" y="{y + 15}">{escape(name)}</text>'
            f'<rect class="{kind}" x="{_NAMES}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>'
            f'<text class="value" x="{_NAMES + width + 6:.1f}" y="{y + 15}">{value:{panel.form}}</text>'
        )
    return parts


if __name__ == "__main__":
    main()
