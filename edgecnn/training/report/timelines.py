"""Confidence over time: the probabilities of some validation clips at every step."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from edgecnn.evaluation.html_page import text
from edgecnn.training.report.content import Timeline
from edgecnn.training.report.markup import section
from edgecnn.training.report.plots import PLOT_STYLE, new_axes, plot_svg

__all__ = ["COLORS", "timeline_section"]

COLORS = ("#1f5fa8", "#c45a0c", "#1d6b2c", "#8a2f8a", "#7a6a00", "#008080")
"""Of the classes with the highest probabilities; the others are grey."""
_OTHERS = "#b5b5b5"


def timeline_section(timelines: Sequence[Timeline], labels: Sequence[str]) -> str:
    """A plot a clip; nothing for images, which have no time."""
    if not timelines:
        return ""
    with mpl.rc_context(PLOT_STYLE):
        plots = "".join(_figure(timeline, labels) for timeline in timelines)
    return section("Confidence over time", f'<div class="plots">{plots}</div>', _HOW)


def _figure(timeline: Timeline, labels: Sequence[str]) -> str:
    """The plot, with a legend in HTML: a label may be in any script."""
    p = timeline.probabilities
    highest = [int(i) for i in np.argsort(-p.max(0), kind="stable")[: len(COLORS)]]
    shown = sorted(highest)
    colors = dict(zip(shown, COLORS, strict=False))
    figure, axes = new_axes("", "seconds", "probability")
    for i in sorted(range(len(labels)), key=lambda i: i in colors):
        axes.plot(timeline.times_s, p[:, i], color=colors.get(i, _OTHERS), marker="o" if len(p) <= 40 else "", ms=3)
    axes.set_ylim(-0.02, 1.02)
    legend = " ".join(f'<span style="color:{color}">&#9632;</span> {text(labels[i])}' for i, color in colors.items())
    others = f' <span style="color:{_OTHERS}">&#9632;</span> others' if len(labels) > len(colors) else ""
    answer = labels[int(p[-1].argmax())]
    verdict = "" if answer == timeline.truth else ' <b class="fault">wrong</b>'
    caption = (
        f"<p><b>{text(timeline.name)}</b>: truth {text(timeline.truth)}, at the end {text(answer)} "
        f"{float(p[-1].max()):.2f}{verdict}</p><p>{legend}{others}</p>"
    )
    return (
        f'<div class="plot">{caption}{plot_svg(figure, "Probability of each class over the seconds of a clip")}</div>'
    )


_HOW = (
    "The probability of each class after every step, for one validation clip of each class and for the worst mistakes. "
    "The network begins without memory, so its first answer is of a single frame. Where the right line rises late, the "
    "clip tells its class late. Where lines cross often, the steps disagree; smoothing helps on a stream. A network "
    "that learned only the last step of each clip may answer anything before it; --supervision all, or labels per "
    "frame, teach it to answer early."
)
