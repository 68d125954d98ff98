"""The report page: its sections, and texts that explain how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.atomic import write_text
from edgecnn.evaluation.html_page import page, text, words
from edgecnn.training.options import BestBy
from edgecnn.training.report.classes import class_section, confusion_section
from edgecnn.training.report.content import DataFinding, EvaluatedPart, ReportInput
from edgecnn.training.report.intervals import Interval, intervals
from edgecnn.training.report.markup import figure_text, range_text, section, table
from edgecnn.training.report.plots import learning_plots, reliability_bins, reliability_plots, stage_starts
from edgecnn.training.report.style import STYLE
from edgecnn.training.report.worst import mistake_section
from edgecnn.training.run.history import EpochRow

__all__ = ["write_report"]

_SEVERITY = ("fault", "warning", "note", "ok")


def write_report(path: Path, report: ReportInput) -> None:
    """Writes the report as one self-contained HTML file, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    sections = (
        f"<h1>{text(report.title)}</h1>",
        f'<section>{_cards(report.val, "validation")}<p class="reading">{_HOW_FIGURES}</p></section>',
        section("Test set", _cards(report.test, "test"), _HOW_TEST) if report.test else "",
        _curves(report.history, report.best_by),
        confusion_section(report.val.metrics),
        class_section(report.val.metrics.per_class),
        _reliability(report.val),
        mistake_section(report.mistakes),
        _findings(report.findings),
        _skipped(report.skipped),
        section("About this run", _facts(report.facts)),
        section("How to reproduce it", f"<pre>{text(report.command)}</pre>{_facts(report.environment)}", _HOW_REPEAT),
    )
    write_text(path, page(report.title, STYLE, "\n".join(part for part in sections if part)))


def _cards(part: EvaluatedPart, of: str) -> str:
    """The headline figures of one part of the images."""
    metrics, found = part.metrics, intervals(part)
    cards = [_card("Top-1", metrics.top1, found.top1, f"of {metrics.images:,} {of} images answered right.")]
    if metrics.top5 is not None:
        cards.append(_card("Top-5", metrics.top5, found.top5, "the truth is among the first five answers."))
    cards += [
        _card(
            "Macro-F1",
            metrics.macro_f1,
            found.macro_f1,
            "F1 averaged over the classes, small ones counting as much as large. 1 is perfect.",
        ),
        _card(
            "NLL",
            metrics.nll,
            found.nll,
            "negative log-likelihood, in nats: punishes confident wrong answers. 0 is perfect.",
        ),
        _card(
            "ECE",
            metrics.ece,
            found.ece,
            "expected calibration error: how far confidence and share of right answers lie apart. 0 is perfect.",
        ),
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(name: str, figure: float, interval: Interval | None, note: str) -> str:
    span = f'<p class="range">{range_text(interval)}</p>' if interval else ""
    return f'<div class="card"><h3>{name}</h3><p class="figure">{figure_text(figure)}</p>{span}<p>{note}</p></div>'


def _curves(history: Sequence[EpochRow], best_by: BestBy) -> str:
    if not history:
        return section(
            "Learning curves",
            "<p>No epoch was trained: the classifier was fitted on the features of the pretrained network.</p>",
        )
    starts = stage_starts(history)
    stages = ", ".join(f"{text(row.stage)} from epoch {row.epoch}" for row in starts)
    lines = " A dotted line marks where a stage begins." if len(starts) > 1 else ""
    return section("Learning curves", learning_plots(history, best_by), f"{_HOW_CURVES} Stages: {stages}.{lines}")


def _reliability(part: EvaluatedPart) -> str:
    if part.probabilities is None or part.truth is None:
        return ""
    p = np.asarray(part.probabilities, np.float64)
    return section(
        "Reliability", reliability_plots(reliability_bins(p.max(1), p.argmax(1) == part.truth)), _HOW_RELIABILITY
    )


def _findings(findings: Sequence[DataFinding] | None) -> str:
    """What the data's examination found, the gravest first; nothing where there was none."""
    if findings is None:
        return ""
    if not findings:
        return section("What the images tell", "<p>No problems found.</p>")
    ordered = sorted(findings, key=lambda f: _SEVERITY.index(f.level) if f.level in _SEVERITY else len(_SEVERITY))
    rows = [(_level(f.level), text(f.what), text(f.where), text(f.remedy)) for f in ordered]
    return section("What the images tell", table(("", "Found", "Where", "What to do"), rows, names=4), _HOW_FINDINGS)


def _level(level: str) -> str:
    kind = level if level in _SEVERITY else ""
    return f'<span class="level {kind}">{text(level)}</span>'


def _skipped(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return section("Skipped images", "<p>None: every image could be read.</p>")
    rows = [(text(path), text(reason)) for path, reason in skipped]
    return section(f"Skipped images ({len(skipped):,})", table(("File", "Reason"), rows, names=2))


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f'<tr><th scope="row">{text(label)}</th><td>{words(value)}</td></tr>' for label, value in facts)
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


_HOW_FIGURES = (
    "Measured on images that training did not learn from. They chose the best epoch and set the temperature, "
    "though, so images never used "
    "for anything may come out a little worse. The interval says how far chance alone may have moved a figure: two "
    "models whose intervals overlap "
    "widely cannot be told apart on so few images. Shares have Wilson's interval, the other figures one from 1,000 "
    "draws of these images with "
    "replacement (bootstrap); neither knows of images unlike these."
)
_HOW_TEST = (
    "These were set aside before training and used for nothing else, so nothing was chosen to suit them: the "
    "fairest figures of this page for "
    "images of the same kind."
)
_HOW_CURVES = (
    "Both losses should fall. Where the validation loss rises while the training loss still falls, the network "
    "learns its images by heart: "
    "more images, stronger augmentation or fewer epochs help. The training loss may lie above the other, since "
    "training sees altered images."
)
_HOW_RELIABILITY = (
    "Images are put into bins by the confidence of their answer. Bars that end on the dashed line mean that 0.9 is "
    "right nine times in ten; bars "
    "below it, that the network claims too much; above it, too little. A dot is the mean of its bin, the whisker "
    "its 95&nbsp;% interval: a long one "
    "says that the bin holds too few images to tell."
)
_HOW_FINDINGS = (
    "What was seen when the images were read. A fault or a warning here often explains a mistake above better than "
    "the network does."
)
_HOW_REPEAT = (
    "The same command on the same images with the same versions gives the same split and, on the same kind of "
    "processor with as many threads, the "
    "same weights. The hash is of all images and their labels: where it differs, the images do."
)
