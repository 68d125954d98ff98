"""Curves and reliability, as SVG inside the page. No word of the user's stands in them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import ECE_BINS, wilson_interval
from edgecnn.training.nouns import IMAGES, Nouns
from edgecnn.training.options import BestBy
from edgecnn.training.report.markup import figure_text
from edgecnn.training.run.history import EpochRow

__all__ = [
    "PLOT_STYLE",
    "ReliabilityBin",
    "learning_plots",
    "new_axes",
    "plot_svg",
    "reliability_bins",
    "reliability_plots",
    "stage_starts",
]


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose confidence lies in (low, high]."""

    low: float
    high: float
    images: int
    right: int
    confidence: float  # their mean


def learning_plots(history: Sequence[EpochRow], nouns: Nouns = IMAGES, best_by: BestBy = "top1") -> str:
    """Losses, and top-1, over at least one epoch."""
    with mpl.rc_context(PLOT_STYLE):
        return _side_by_side(
            plot_svg(_loss_figure(history), "Training and validation loss over the epochs"),
            plot_svg(_top1_figure(history, best_by, nouns), f"Top-1 on the validation {nouns.answers} over the epochs"),
        )


def reliability_plots(bins: Sequence[ReliabilityBin], nouns: Nouns = IMAGES) -> str:
    """Is an answer right as often as it says, and how often does it say so?"""
    with mpl.rc_context(PLOT_STYLE):
        return _side_by_side(
            plot_svg(_reliability_figure(bins), "Share of right answers against confidence"),
            plot_svg(_counts_figure(bins, nouns), f"Number of {nouns.answers} against confidence"),
        )


def reliability_bins(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = ECE_BINS
) -> tuple[ReliabilityBin, ...]:
    """The bins of the expected calibration error that hold images, in order.

    ``confidence`` and ``correct`` are ``[N]``.
    """
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # as expected_calibration_error does
    members = [(int(b), bin_of == b) for b in np.unique(bin_of)]
    return tuple(
        ReliabilityBin(
            low=b / bins,
            high=(b + 1) / bins,
            images=int(m.sum()),
            right=int(correct[m].sum()),
            confidence=float(confidence[m].mean()),
        )
        for b, m in members
    )


def stage_starts(history: Sequence[EpochRow]) -> list[EpochRow]:
    """The first epoch of each stage and image size."""
    stages = [(row.stage, row.imgsz) for row in history]
    return [row for i, row in enumerate(history) if i == 0 or stages[i] != stages[i - 1]]


_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c45a0c", "#767676"
_MAX_MARKERS = 40  # epochs whose points can still be told apart

PLOT_STYLE: dict[Any, Any] = {  # matplotlib types the keys as a literal of all its settings, and only from 3.11 on
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "edgecnn",  # the same run gives the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so the layout can be measured anywhere
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
}

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def _side_by_side(*plots: str) -> str:
    return f'<div class="plots">{"".join(plots)}</div>'


def plot_svg(figure: Figure, description: str) -> str:
    """A figure as inline SVG. The description is ours, never the user's."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]  # without the XML prolog, which HTML does not have
    return f'<figure class="plot">{svg.replace("<svg", f"""<svg role="img" aria-label="{description}" """, 1)}</figure>'


def new_axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """A figure 440 CSS pixels wide.

    Two fit side by side on a desk, and one on a phone with its words still readable.
    """
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10.5)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _loss_figure(history: Sequence[EpochRow]) -> Figure:
    figure, axes = new_axes("Loss", "epoch", "nats")
    epochs, marker = [row.epoch for row in history], _marker(history)
    axes.plot(
        epochs,
        [row.train_loss for row in history],
        color=_ORANGE,
        linestyle="--",
        marker=marker,
        markersize=4,
        label="training",
    )
    axes.plot(epochs, [row.val_loss for row in history], color=_BLUE, marker=marker, markersize=4, label="validation")
    axes.set_ylim(bottom=0)
    axes.legend()
    _epoch_axis(axes, history)
    return figure


def _top1_figure(history: Sequence[EpochRow], best_by: BestBy, nouns: Nouns) -> Figure:
    best = max(history, key=lambda row: row.rank(best_by))  # as the best checkpoint is chosen
    by = "" if best_by == "top1" else f" (best by {best_by})"
    title = f"Top-1 on validation {nouns.answers}: best {figure_text(best.val_top1)}, epoch {best.epoch}{by}"
    figure, axes = new_axes(title, "epoch", "share answered right")
    shares = [row.val_top1 for row in history]
    axes.plot([row.epoch for row in history], shares, color=_BLUE, marker=_marker(history), markersize=4)
    axes.plot([best.epoch], [best.val_top1], "o", color=_BLUE, markersize=8)
    low = min(shares)
    axes.set_ylim(max(0.0, low - max(0.05, 0.15 * (1 - low))), 1.005)
    _epoch_axis(axes, history)
    return figure


def _epoch_axis(axes: Axes, history: Sequence[EpochRow]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.set_xlim(history[0].epoch - 0.5, history[-1].epoch + 0.5)
    for row in stage_starts(history)[1:]:
        axes.axvline(row.epoch - 0.5, color=_GREY, linestyle=":", linewidth=1)


def _marker(history: Sequence[EpochRow]) -> str:
    return "o" if len(history) <= _MAX_MARKERS else ""


def _reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    figure, axes = new_axes("Reliability: accuracy by confidence", "confidence", "share answered right")
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    shares = [b.right / b.images for b in bins]
    spans = [wilson_interval(b.right, b.images) for b in bins]
    # Rounding leaves an interval a hair inside its share, and matplotlib refuses a negative length.
    below = [max(0.0, share - low) for share, (low, _) in zip(shares, spans, strict=True)]
    above = [max(0.0, high - share) for share, (_, high) in zip(shares, spans, strict=True)]
    _bars(axes, bins, shares)
    axes.errorbar(
        [b.confidence for b in bins], shares, yerr=[below, above], fmt="o", markersize=4, color=_ORANGE, linewidth=1
    )
    axes.set_ylim(0, 1.02)
    return figure


def _counts_figure(bins: Sequence[ReliabilityBin], nouns: Nouns) -> Figure:
    figure, axes = new_axes(f"Number of {nouns.answers} by confidence", "confidence", nouns.answers)
    _bars(axes, bins, [b.images for b in bins])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _bars(axes: Axes, bins: Sequence[ReliabilityBin], heights: Sequence[float]) -> None:
    axes.bar(
        [b.low for b in bins],
        heights,
        width=[b.high - b.low for b in bins],
        align="edge",
        color="#a9c6e8",
        edgecolor="white",
    )
    axes.set_xlim(0, 1.01)
