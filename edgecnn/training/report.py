"""``RUN/report.html``: how good the model came out, for a person; one file that needs nothing else, to keep, send or print.

Curves and reliability are SVG by matplotlib and hold no word of the user's; the confusion matrix is an HTML table, because labels come in
every script and length, and a browser knows how to set them.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from edgecnn.atomic import write_text
from edgecnn.errors import EdgeCNNError
from edgecnn.metrics import ECE_BINS, ClassMetrics, Metrics, wilson_interval
from edgecnn.preprocess import read_picture
from edgecnn.training.history import EpochRow

__all__ = ["Mistake", "ReliabilityBin", "ReportInput", "reliability_bins", "write_report"]

MOST_MATRIX_CLASSES = 30  # above that a matrix is a carpet: the most confused pairs are listed instead
MOST_PAIRS = 30
MOST_MISTAKES = 24
THUMBNAIL_PX = 160  # the longer side
_JPEG_QUALITY = 85
_MOST_MARKERS = 40  # epochs whose points can still be told apart


@dataclass(frozen=True)
class Mistake:
    """One validation picture with a wrong answer."""

    path: Path
    truth: str
    answer: str
    score: float  # probability of the wrong answer


@dataclass(frozen=True)
class ReportInput:
    """All that a report shows."""

    title: str
    facts: Sequence[tuple[str, str]]  # label, value: model, pictures, seconds, seed, the command that repeats it …
    history: Sequence[EpochRow]
    metrics: Metrics  # of the validation pictures
    confidence: NDArray[np.float64]  # [N] largest probability of each validation picture
    correct: NDArray[np.bool_]  # [N] whether that answer was right
    mistakes: Sequence[Mistake]  # worst first
    skipped: Sequence[tuple[str, str]]  # path, reason


@dataclass(frozen=True)
class ReliabilityBin:
    """The pictures whose confidence lies in (low, high]."""

    low: float
    high: float
    images: int
    right: int
    confidence: float  # their mean


def write_report(path: Path, report: ReportInput) -> None:
    """Writes the report as one self-contained HTML file, atomically.

    Raises:
        OutputError: it cannot be written.
    """
    with mpl.rc_context(_PLOT_STYLE):
        sections = (
            _headline(report.metrics),
            _curves(report.history),
            _confusion(report.metrics),
            _reliability(report),
            _per_class(report.metrics.per_class),
            _mistakes(report.mistakes),
            _skipped(report.skipped),
            _facts(report.facts),
        )
    write_text(path, _PAGE.format(title=_text(report.title), style=_STYLE, body="\n".join(sections)))


def reliability_bins(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """The bins of the expected calibration error that hold pictures, in order; ``confidence`` and ``correct`` are ``[N]``."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # as expected_calibration_error does
    members = [(int(b), bin_of == b) for b in np.unique(bin_of)]
    return tuple(ReliabilityBin(b / bins, (b + 1) / bins, int(m.sum()), int(correct[m].sum()), float(confidence[m].mean())) for b, m in members)


# Sections


def _headline(metrics: Metrics) -> str:
    right = sum(row[i] for i, row in enumerate(metrics.confusion))
    low, high = wilson_interval(right, metrics.images)
    top5 = "" if metrics.top5 is None else f" Among the first five answers: {_figure(metrics.top5)}."
    answer = f"of {metrics.images:,} validation pictures answered right; 95&nbsp;% interval {_figure(low)} to {_figure(high)}.{top5}"
    cards = (
        ("Top-1", _figure(metrics.top1), answer),
        ("Macro-F1", _figure(metrics.macro_f1), "F1 averaged over the classes, the small ones counting as much as the large. 1 is perfect."),
        ("ECE", _figure(metrics.ece), "expected calibration error: how far confidence and share of right answers lie apart. 0 is perfect."),
        ("NLL", _figure(metrics.nll), "negative log-likelihood, in nats: punishes wrong answers given with confidence. 0 is perfect."),
    )
    figures = "".join(f'<div class="card"><h3>{name}</h3><p class="figure">{figure}</p><p>{note}</p></div>' for name, figure, note in cards)
    return f'<section><div class="cards">{figures}</div><p class="reading">{_HOW_FIGURES}</p></section>'


def _curves(history: Sequence[EpochRow]) -> str:
    if not history:
        return _section("Learning curves", "<p>No epoch was trained: the classifier was fitted on the features of the pretrained network.</p>")
    plots = _plot(_loss_figure(history), "Training and validation loss over the epochs") + _plot(
        _top1_figure(history), "Top-1 on the validation pictures over the epochs"
    )
    stages = ", ".join(f"{_text(row.stage)} from epoch {row.epoch}" for row in _stage_starts(history))
    lines = " A dotted line marks where a stage begins." if len(_stage_starts(history)) > 1 else ""
    return _section("Learning curves", f'<div class="plots">{plots}</div>', f"{_HOW_CURVES} Stages: {stages}.{lines}")


def _confusion(metrics: Metrics) -> str:
    confusion = np.array(metrics.confusion, np.int64)  # [C, C] row: truth, column: answer
    labels = [c.label for c in metrics.per_class]
    if len(labels) <= MOST_MATRIX_CLASSES:
        return _section("Confusion matrix", _matrix(confusion, labels), _HOW_MATRIX)
    return _section("Most confused classes", _pairs(confusion, labels), _HOW_PAIRS)


def _matrix(confusion: NDArray[np.int64], labels: Sequence[str]) -> str:
    names = [_text(label) for label in labels]
    heads = "".join(f'<th scope="col" title="{name}"><span>{name}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row" title="{names[i]}"><span>{names[i]}</span></th>{"".join(_cell(row, i, j, names) for j in range(len(names)))}</tr>'
        for i, row in enumerate(confusion)
    )
    size = "few" if len(labels) <= 6 else "many"
    corner = '<td class="corner">truth ↓<br>answer →</td>'
    return f'<div class="scroll" tabindex="0"><table class="matrix {size}"><thead><tr>{corner}{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(row: NDArray[np.int64], i: int, j: int, names: Sequence[str]) -> str:
    """One count, on a colour whose strength is its share of the row: blue for right answers, orange for wrong ones."""
    count = int(row[j])
    if not count:
        return '<td class="none">0</td>'
    share = count / int(row.sum())
    color = "31,95,168" if i == j else "214,105,22"
    ink = ";color:#fff" if share > 0.6 else ""
    return f'<td style="background:rgba({color},{0.12 + 0.88 * share:.2f}){ink}" title="{names[i]} answered as {names[j]}: {count}">{count}</td>'


def _pairs(confusion: NDArray[np.int64], labels: Sequence[str]) -> str:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]  # stable: ties in the order of the labels
    places = [divmod(int(k), len(labels)) for k in order if wrong.flat[k]]
    if not places:
        return "<p>No class was taken for another.</p>"
    rows = [(_text(labels[i]), _text(labels[j]), f"{wrong[i, j]:,}", _figure(float(wrong[i, j] / confusion[i].sum()))) for i, j in places]
    return _table(("Truth", "Answer", "Pictures", "Share of the truth"), rows, names=2)


def _reliability(report: ReportInput) -> str:
    bins = reliability_bins(report.confidence, report.correct)
    plots = _plot(_reliability_figure(bins), "Share of right answers against confidence") + _plot(
        _counts_figure(bins), "Number of pictures against confidence"
    )
    return _section("Reliability", f'<div class="plots">{plots}</div>', _HOW_RELIABILITY)


def _per_class(classes: Sequence[ClassMetrics]) -> str:
    worst_first = sorted(classes, key=lambda c: math.inf if c.f1 is None else c.f1)
    rows = [(_text(c.label), f"{c.images:,}", *(_figure(v) for v in (c.precision, c.recall, c.f1))) for c in worst_first]
    return _section("Classes, the weakest first", _table(("Class", "Pictures", "Precision", "Recall", "F1"), rows, names=1), _HOW_CLASSES)


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return _section("Worst mistakes", "<p>None: every validation picture was answered right.</p>")
    shown = mistakes[:MOST_MISTAKES]
    figures = "".join(_mistake(m) for m in shown)
    count = f"{len(mistakes):,} in all" + (f", the worst {len(shown)} shown" if len(mistakes) > len(shown) else "")
    return _section("Worst mistakes", f'<div class="mistakes">{figures}</div>', f"{_HOW_MISTAKES} {count}.")


def _mistake(mistake: Mistake) -> str:
    name = _text(mistake.path.name)
    words = (
        f'<p class="name" title="{_text(mistake.path)}">{name}</p>'
        f'<p><span class="key">truth</span> {_text(mistake.truth)}</p>'
        f'<p><span class="key">answer</span> <b>{_text(mistake.answer)}</b> {mistake.score:.2f}</p>'
    )
    return f'<figure class="mistake"><div class="thumbnail">{_thumbnail(mistake.path)}</div><figcaption>{words}</figcaption></figure>'


def _thumbnail(path: Path) -> str:
    """The picture as an ``<img>`` that holds its own JPEG, or words where it cannot be read any more."""
    try:
        picture = read_picture(path)
    except EdgeCNNError:
        return "<p>cannot be read any more</p>"
    height, width = picture.shape[:2]
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    zoom = max(1, THUMBNAIL_PX // max(size))  # a picture of 32 pixels would be a speck: the browser shows it in whole multiples
    data = base64.b64encode(jpeg.tobytes()).decode()
    return f'<img alt="{_text(path.name)}" width="{size[0] * zoom}" height="{size[1] * zoom}" src="data:image/jpeg;base64,{data}">'


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return _section("Skipped pictures", "<p>None: every picture could be read.</p>")
    rows = [(_text(path), _text(reason)) for path, reason in skipped]
    return _section(f"Skipped pictures ({len(skipped):,})", _table(("Picture", "Reason"), rows, names=2))


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f'<tr><th scope="row">{_text(label)}</th><td>{_words(value)}</td></tr>' for label, value in facts)
    return _section("About this run", f'<table class="facts"><tbody>{rows}</tbody></table>')


# Figures


_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c45a0c", "#767676"

_PLOT_STYLE: dict[Any, Any] = {  # matplotlib types the keys as a literal of all its settings, and only from 3.11 on
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


def _plot(figure: Figure, description: str) -> str:
    """A figure as inline SVG. The description is ours, never the user's."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]  # without the XML prolog, which HTML does not have
    return f'<figure class="plot">{svg.replace("<svg", f"""<svg role="img" aria-label="{description}" """, 1)}</figure>'


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """A figure 440 CSS pixels wide: two fit side by side on a desk, and one on a phone with its words still readable."""
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10.5)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _loss_figure(history: Sequence[EpochRow]) -> Figure:
    figure, axes = _axes("Loss", "epoch", "nats")
    epochs, marker = [row.epoch for row in history], _marker(history)
    axes.plot(epochs, [row.train_loss for row in history], color=_ORANGE, linestyle="--", marker=marker, markersize=4, label="training")
    axes.plot(epochs, [row.val_loss for row in history], color=_BLUE, marker=marker, markersize=4, label="validation")
    axes.set_ylim(bottom=0)
    axes.legend()
    _epoch_axis(axes, history)
    return figure


def _top1_figure(history: Sequence[EpochRow]) -> Figure:
    best = max(history, key=lambda row: (row.val_top1, -row.val_loss))  # as the best checkpoint is chosen
    title = f"Top-1 on validation pictures: best {_figure(best.val_top1)}, epoch {best.epoch}"
    figure, axes = _axes(title, "epoch", "share answered right")
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
    for row in _stage_starts(history)[1:]:
        axes.axvline(row.epoch - 0.5, color=_GREY, linestyle=":", linewidth=1)


def _marker(history: Sequence[EpochRow]) -> str:
    return "o" if len(history) <= _MOST_MARKERS else ""


def _stage_starts(history: Sequence[EpochRow]) -> list[EpochRow]:
    return [row for i, row in enumerate(history) if i == 0 or row.stage != history[i - 1].stage]


def _reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    figure, axes = _axes("Is the confidence deserved?", "confidence", "share answered right")
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    shares = [b.right / b.images for b in bins]
    spans = [wilson_interval(b.right, b.images) for b in bins]
    # Rounding leaves an interval a hair inside its share, and matplotlib refuses a negative length.
    below = [max(0.0, share - low) for share, (low, _) in zip(shares, spans, strict=True)]
    above = [max(0.0, high - share) for share, (_, high) in zip(shares, spans, strict=True)]
    _bars(axes, bins, shares)
    axes.errorbar([b.confidence for b in bins], shares, yerr=[below, above], fmt="o", markersize=4, color=_ORANGE, linewidth=1)
    axes.set_ylim(0, 1.02)
    return figure


def _counts_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    figure, axes = _axes("How often is it that confident?", "confidence", "pictures")
    _bars(axes, bins, [b.images for b in bins])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _bars(axes: Axes, bins: Sequence[ReliabilityBin], heights: Sequence[float]) -> None:
    axes.bar([b.low for b in bins], heights, width=[b.high - b.low for b in bins], align="edge", color="#a9c6e8", edgecolor="white")
    axes.set_xlim(0, 1.01)


# HTML


def _section(title: str, content: str, reading: str = "") -> str:
    """One section; ``reading`` tells a learner how to read it."""
    paragraph = f'<p class="reading">{reading}</p>' if reading else ""
    return f"<section><h2>{title}</h2>{content}{paragraph}</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], names: int) -> str:
    """A table that scrolls within itself when it is long. Cells are HTML already; the first ``names`` columns are words, the others figures."""
    kinds = ['class="name"' if k < names else 'class="number"' for k in range(len(heads))]
    head = "".join(f'<th scope="col" {kind}>{text}</th>' for kind, text in zip(kinds, heads, strict=True))
    body = "".join("<tr>" + "".join(f"<td {k}>{cell}</td>" for k, cell in zip(kinds, row, strict=True)) + "</tr>" for row in rows)
    return f'<div class="scroll long" tabindex="0"><table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(text: object) -> str:
    """A user's text as HTML; a file name that is no Unicode comes with lone surrogates, which UTF-8 cannot hold."""
    return html.escape(str(text).encode("utf-8", "backslashreplace").decode())


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _words(text: str) -> str:
    """A user's text whose lines break at spaces alone: a browser would break a command after the first hyphen of ``--lr``."""
    return " ".join(f'<span class="word">{_text(word)}</span>' for word in text.split(" "))


_HOW_FIGURES = (
    "Measured on pictures that training did not learn from. They chose the best epoch and set the temperature, though, so pictures never used "
    "for anything may come out a little worse. The interval says how far chance alone may have moved top-1: two models whose intervals overlap "
    "widely cannot be told apart on so few pictures."
)
_HOW_CURVES = (
    "Both losses should fall. Where the validation loss rises while the training loss still falls, the network learns its pictures by heart: "
    "more pictures, stronger augmentation or fewer epochs help. The training loss may lie above the other, since training sees altered pictures."
)
_HOW_MATRIX = (
    "Each row is a true class, each column an answer: blue on the diagonal is right, orange beside it a mistake, stronger the larger its share of "
    "the row. Two classes that trade mistakes look alike to the network; see whether their pictures are labelled rightly, or give it more of them."
)
_HOW_PAIRS = (
    "The pairs with the most mistakes, one row each: pictures of the first class that were answered as the second. A pair that appears both ways "
    "round looks alike to the network; see whether their pictures are labelled rightly, or give it more of them."
)
_HOW_RELIABILITY = (
    "Pictures are put into bins by the confidence of their answer. Bars that end on the dashed line mean that 0.9 is right nine times in ten; bars "
    "below it, that the network claims too much; above it, too little. A dot is the mean of its bin, the whisker its 95&nbsp;% interval: a long one "
    "says that the bin holds too few pictures to tell."
)
_HOW_CLASSES = (
    "Precision: of the answers that name the class, the share that are right. Recall: of the pictures of the class, the share that are found. F1 is "
    "high only where both are. A dash stands where nothing can be said: the class was never answered, or never shown."
)
_HOW_MISTAKES = (
    "The wrong answers given with the most confidence (the figure beside the answer). Look at these first: they are often pictures with a wrong "
    "label, with both things on them, or of a kind that training saw too little of."
)

# The policy lets a browser fetch nothing at all, whatever a label or file name may hold.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 62rem; color: #1c1c1c; background: #fff;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
h1, h2, p, td, th { overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.2rem 0 1.2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.7rem; break-after: avoid; }
h3 { font-size: 0.85rem; margin: 0; color: #555; }
p { margin: 0.4rem 0; }
.reading { color: #444; font-size: 0.9rem; max-width: 46rem; margin-top: 0.8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.8rem; }
.card { border: 1px solid #d5d5d5; border-radius: 6px; padding: 0.7rem 0.9rem; break-inside: avoid; }
.card p { font-size: 0.82rem; color: #444; margin: 0; }
.card p.figure { font-size: 1.9rem; line-height: 1.3; color: #1c1c1c; font-variant-numeric: tabular-nums; }
.plots { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
.plot { flex: 1 1 20rem; max-width: 30rem; margin: 0; break-inside: avoid; }
.plot svg { display: block; width: 100%; height: auto; }
.scroll { overflow: auto; }
.long { max-height: 32rem; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
.list { width: 100%; }
.list th { position: sticky; top: 0; background: #fff; box-shadow: inset 0 -1px #999; text-align: left; }
.list td, .list th, .facts td, .facts th { padding: 0.3rem 0.6rem; vertical-align: top; }
.list td, .facts td, .facts th { border-bottom: 1px solid #e4e4e4; }
.list .number { text-align: right; }
.list th { overflow-wrap: normal; }
.list td.number { white-space: nowrap; }
.list td.name { min-width: 7rem; }
.facts th { text-align: left; font-weight: 600; min-width: 8rem; padding-left: 0; }
.facts td { white-space: pre-wrap; }
.word { display: inline-block; max-width: 100%; }
.matrix td { text-align: center; white-space: nowrap; border: 1px solid #fff; }
.matrix td.none { color: #c4c4c4; background: #f7f7f7; }
.matrix th { font-weight: 500; line-height: 1.15; overflow-wrap: break-word; }
.matrix tbody th { position: sticky; left: 0; background: #fff; text-align: right; padding-right: 0.5rem; }
.matrix tbody th span { width: max-content; max-width: 12rem; margin-left: auto;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.matrix .corner { color: #666; font-size: 0.72rem; text-align: right; padding-right: 0.5rem; vertical-align: bottom; }
.matrix thead th { vertical-align: bottom; padding-bottom: 0.3rem; }
.few td { min-width: 4rem; height: 3rem; font-size: 1rem; }
.few thead th { padding: 0 0.3rem 0.3rem; }
.few thead th span { max-width: 7rem; margin: 0 auto; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.many { font-size: 0.74rem; }
.many td { min-width: 1.75rem; height: 1.65rem; padding: 0 0.15rem; }
.many thead th span { display: block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 10rem; margin: 0 auto;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.many tbody th span { -webkit-line-clamp: 2; max-height: 2.3em; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
.mistake { margin: 0; font-size: 0.82rem; min-width: 0; break-inside: avoid; }
.mistake p { margin: 0; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.mistake .name { color: #666; }
.key { color: #666; }
.thumbnail { height: 160px; display: flex; align-items: center; justify-content: center; background: #f1f1f1; margin-bottom: 0.3rem; }
.thumbnail img { display: block; max-width: 100%; height: auto; }
.thumbnail p { color: #666; }
@media (max-width: 40rem) {
  body { padding: 0.8rem; }
  .cards { grid-template-columns: 1fr 1fr; gap: 0.5rem; }
  .card { padding: 0.5rem 0.6rem; }
  .mistakes { grid-template-columns: 1fr 1fr; gap: 0.7rem; }
  .matrix tbody th span { max-width: 6.5rem; }
  .few thead th span { max-width: 5.5rem; }
  .list td, .list th { padding: 0.3rem 0.35rem; }
  .list td.name { min-width: 5rem; }
}
@media print {
  @page { margin: 14mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .cards { grid-template-columns: repeat(4, 1fr); }
  .scroll, .long { overflow: visible; max-height: none; }
  .list th, .matrix tbody th { position: static; }
  .list tr { break-inside: avoid; }
  .many { font-size: 6pt; }
  .many td { min-width: 0; height: 1.4em; }
  .matrix { break-inside: avoid; }
}
"""
