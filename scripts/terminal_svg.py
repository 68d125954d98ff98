"""A recorded terminal as an SVG: its lines appear one after the other, in a window that scrolls.

Where a program shows no animations, or its user wants none, the window shows the last lines at once.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

ROWS = 28  # of the window
LONGEST_WAIT = 1.0  # seconds between two lines; longer waits are cut to it
_LINE_HEIGHT = 24.4  # of rich's SVG, in pixels
_MARGIN = 8  # below the last line, for descenders
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Line:
    """A row of the terminal, and when it last changed (seconds since the first command)."""

    text: Text
    seconds: float


def draw(lines: Sequence[Line], columns: int, title: str) -> str:
    """The SVG; it takes nothing from the network."""
    console = Console(record=True, width=columns, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        console.print(line.text, no_wrap=True, crop=True)
    svg = console.export_svg(title=title, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", _FONTS)
    return animate(svg, appearances(lines))


def appearances(lines: Sequence[Line]) -> list[float]:
    """When each line appears, in seconds: in the terminal's order, with waits cut."""
    times: list[float] = []
    now = before = 0.0
    for line in lines:
        now += min(max(line.seconds - before, 0.0), LONGEST_WAIT)
        before = max(before, line.seconds)
        times.append(round(now, 1))
    return times


def animate(svg: str, times: Sequence[float]) -> str:
    """rich's SVG of all lines, in a window of ``ROWS`` that scrolls; ``times``: when each line appears."""

    def appear(match: re.Match[str]) -> str:
        return f'<text style="animation-delay:{times[int(match[3])]:.1f}s" class="line {match[1]}"{match[2]}'

    hidden = max(0, len(times) - ROWS) * _LINE_HEIGHT
    svg = re.sub(r'<text class="([^"]*)"([^>]*url\(#terminal-line-(\d+)\))', appear, svg)
    svg = svg.replace(
        '<g class="terminal-matrix">', f'<g class="terminal-matrix" transform="translate(0,-{hidden:g})">'
    )
    for before in (r'viewBox="0 0 \S+ ', r'<rect x="0" y="0" width="\S+" height="', r'<rect fill="#292929".*?height="'):
        svg = re.sub(f"({before})([0-9.]+)", lambda m: f"{m[1]}{float(m[2]) - hidden + _MARGIN:.1f}", svg, count=1)
    return svg.replace("</style>", _style(times) + "</style>", 1)


def _style(times: Sequence[float]) -> str:
    """Lines appear; the window scrolls by the lines that are more than it holds."""
    end = max(times[-1], 0.1)
    offsets = {time: -max(0, row + 1 - ROWS) * _LINE_HEIGHT for row, time in enumerate(times)}
    steps = " ".join(f"{100 * time / end:.1f}% {{transform:translateY({y:g}px)}}" for time, y in offsets.items())
    return f"""
    .line {{ animation: appear 0.1s both }}
    .terminal-matrix {{ animation: scroll {end:g}s step-end both }}
    @keyframes appear {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }}
    @keyframes scroll {{ {steps} }}
    @media (prefers-reduced-motion: reduce) {{ .line, .terminal-matrix {{ animation: none }} }}
"""
