"""The report of a search: the front as a plot and a table, the chosen file, and the commands that make it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from edgecnn.atomic import write_text
from edgecnn.evaluation.html_page import page, text
from edgecnn.training.report.markup import section, table
from edgecnn.training.report.plots import PLOT_STYLE, plot_svg
from edgecnn.training.report.style import STYLE
from exporters.search.next_network import Limits
from exporters.search.result import Candidate, SearchResult, with_interval, with_points

__all__ = ["write_page"]

_SHOWN_TOP1 = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1.0)
_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c45a0c", "#767676"


def write_page(path: Path, title: str, result: SearchResult, limits: Limits) -> None:
    """Writes the report as one self-contained HTML file. Raises :class:`OutputError`."""
    heads = ("network", "pixels", "pruned", "precision", "validation top-1", "test top-1", "ms", "MB", "")
    rows = [_row(each, result) for each in result.candidates]
    tried = f"{len(result.candidates)} files, timed on {text(result.cpu)} with {result.threads} thread"
    parts = (
        f"<h1>{text(title)}</h1>",
        section("Accuracy against latency", f'<div class="front">{_plot(result, limits)}</div>', _HOW_PLOT),
        section("Chosen", f"<p>{text(result.reason)}</p>{_against(result)}"),
        section(tried + "s" * (result.threads != 1), table(heads, rows, 1), _HOW_TABLE),
        section("Not tried", f"<p>{text(', '.join(result.untried))}</p>", _HOW_UNTRIED) if result.untried else "",
        section("How to repeat the chosen file", f"<pre>{text(chr(10).join(result.repeat))}</pre>"),
    )
    write_text(path, page(title, STYLE + _OWN_STYLE, "\n".join(part for part in parts if part)))


def _row(each: Candidate, result: SearchResult) -> tuple[str, ...]:
    marks = [word for word, holds in (("chosen", each == result.chosen), ("front", each.on_front)) if holds]
    return (
        text(each.model) + (", trained twice" if each.trainings > 1 else ""),
        str(each.imgsz),
        f"{each.pruned:.0%}" if each.pruned else "",
        each.precision,
        with_interval(each.top1, each.interval, 3),
        with_interval(each.test_top1, each.test_interval, 3),
        f"{each.latency_ms:.2f}",
        f"{each.size_bytes / 1e6:.1f}",
        ", ".join(marks),
    )


def _against(result: SearchResult) -> str:
    found = result.against
    if found is None:
        return ""
    tested = ""
    if found.test_top1_drop is not None and found.test_interval is not None:
        tested = f"; on the test images {with_points(found.test_top1_drop, found.test_interval)}"
    return (
        f"<p>{found.speedup:.2f}x the speed of {text(found.reference)}; on the validation images "
        f"{with_points(found.top1_drop, found.interval)}{tested}.</p>"
    )


def _plot(result: SearchResult, limits: Limits) -> str:
    with mpl.rc_context(PLOT_STYLE):
        return plot_svg(_figure(result, limits), "Top-1 on the validation images against milliseconds of one image")


def _figure(result: SearchResult, limits: Limits) -> Figure:
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.margins(x=0.1)  # room for the label of the fastest one
    axes.set_xlabel("milliseconds of one image")
    axes.set_ylabel("top-1 on the validation images, 95 %")
    _stretch_the_top(axes, result)
    for on_front, color in ((False, _GREY), (True, _BLUE)):
        _points_with_bars(axes, [each for each in result.candidates if each.on_front == on_front], color)
    front = [each for each in result.candidates if each.on_front]
    axes.step([c.latency_ms for c in front], [c.top1 for c in front], where="post", color=_BLUE, linewidth=1.2)
    if result.chosen is not None:
        axes.plot([result.chosen.latency_ms], [result.chosen.top1], "o", markersize=12, fillstyle="none", color=_ORANGE)
    if limits.max_latency_ms is not None:
        axes.axvline(limits.max_latency_ms, color=_ORANGE, linestyle=":", linewidth=1)
    if limits.min_top1 is not None:
        axes.axhline(limits.min_top1, color=_ORANGE, linestyle=":", linewidth=1)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _label_front(figure, axes, front, result.chosen)
    return figure


def _label_front(figure: Figure, axes: Axes, front: Sequence[Candidate], chosen: Candidate | None) -> None:
    """Labels each network of the front once, the chosen one first. One that would lie over another is left out: the
    table has all."""
    usual = Counter(each.model for each in front).most_common(1)[0][0] if front else None
    faster = {(each.model, each.imgsz, each.pruned, each.trainings): each for each in reversed(front)}
    kept: list[Bbox] = []
    figure.draw_without_rendering()  # places lie fixed from here on
    for each in sorted(faster.values(), key=lambda each: (each != chosen, each.latency_ms)):
        label = "" if each.model == usual else f"{each.model} "
        label += f"{each.imgsz}" + (f" −{each.pruned:.0%}" if each.pruned else "") + ", twice" * (each.trainings > 1)
        # Above and to the left of a point of the front lies no other one
        written = axes.annotate(label, (each.latency_ms, each.top1), (-5, 4), textcoords="offset points")
        written.set(fontsize=8, horizontalalignment="right", zorder=4)
        box = written.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            written.remove()
            continue
        kept.append(box)
        written.set_bbox({"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8})


def _stretch_the_top(axes: Axes, result: SearchResult) -> None:
    """Near 100 %, where the candidates that matter lie close together, half the errors are as far as twice."""
    least_error = 0.5 / max(result.val_images, 1)
    axes.set_yscale("function", functions=(_by_error(least_error), _by_error(least_error, inverse=True)))
    lowest = min((each.interval[0] for each in result.candidates), default=0.0)
    axes.set_ylim(max(0.0, lowest - 0.01), 1.0)
    axes.yaxis.set_major_locator(FixedLocator(_SHOWN_TOP1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _by_error(least: float, *, inverse: bool = False) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
    """Top-1 to minus the logarithm of the error, and back. No errors at all are as few as ``least``."""
    if inverse:
        return lambda shown: 1 + least - np.exp(-shown)
    return lambda top1: -np.log(np.maximum(1 + least - np.asarray(top1), least))


def _points_with_bars(axes: Axes, candidates: Sequence[Candidate], color: str) -> None:
    for quantized, mark in ((True, "o"), (False, "s")):
        shown = [each for each in candidates if (each.precision != "fp32") == quantized]
        if not shown:
            continue
        below = [max(0.0, each.top1 - each.interval[0]) for each in shown]
        above = [max(0.0, each.interval[1] - each.top1) for each in shown]
        axes.errorbar(
            [each.latency_ms for each in shown],
            [each.top1 for each in shown],
            yerr=[below, above],
            fmt=mark,
            markersize=5,
            color=color,
            linewidth=0.7,
            alpha=0.9,
        )


# As wide as the page; on a phone it scrolls, so that its words can be read
_OWN_STYLE = """
.front { overflow-x: auto; }
.front .plot { min-width: 36rem; max-width: 56rem; }
td, th { white-space: nowrap; }
"""
_HOW_PLOT = (
    "Each point is a file: a circle for int8, a square for float. Blue points are the front: no other file is both as "
    "fast and as accurate. The numbers are pixels of the image, and the share that was pruned; some networks were "
    "trained twice. The scale stretches towards 1, by the share of errors. The orange ring is the chosen file; dotted "
    "lines are limits."
)
_HOW_TABLE = (
    "Files are chosen by the validation images, so the best of them looks a little better than it is. Nothing was "
    "chosen by the test images."
)
_HOW_UNTRIED = (
    "They did not fit into the time, or promise too little; the most promising is the first. A larger --time-budget "
    "goes on with those that promise enough."
)
