"""The report page: its sections, and texts that explain how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.atomic import write_text
from edgecnn.evaluation.html_page import page, text, words
from edgecnn.training.nouns import Nouns
from edgecnn.training.options import BestBy
from edgecnn.training.report.classes import class_section, confusion_section
from edgecnn.training.report.content import DataFinding, EvaluatedPart, ReportInput
from edgecnn.training.report.intervals import Interval, intervals
from edgecnn.training.report.markup import figure_text, range_text, section, table
from edgecnn.training.report.plots import learning_plots, reliability_bins, reliability_plots, stage_starts
from edgecnn.training.report.style import STYLE
from edgecnn.training.report.timelines import timeline_section
from edgecnn.training.report.worst import mistake_section
from edgecnn.training.run.history import EpochRow

__all__ = ["write_report"]

_SEVERITY = ("fault", "warning", "note", "ok")


def write_report(path: Path, report: ReportInput) -> None:
    """Writes the report as one self-contained HTML file, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    nouns = report.nouns
    figures = _HOW_FIGURES.format(answers=nouns.answers)
    sections = (
        f"<h1>{text(report.title)}</h1>",
        f'<section>{_cards(report.val, "validation", nouns)}<p class="reading">{figures}</p></section>',
        section("Test set", _cards(report.test, "test", nouns), _HOW_TEST.format(examples=nouns.examples))
        if report.test
        else "",
        _curves(report.history, report.best_by, nouns),
        confusion_section(report.val.metrics, nouns),
        class_section(report.val.metrics.per_class, nouns),
        _reliability(report.val, nouns),
        mistake_section(report.mistakes, nouns),
        timeline_section(report.timelines, [c.label for c in report.val.metrics.per_class]),
        _findings(report.findings, nouns),
        _skipped(report.skipped, nouns),
        section("About this run", _facts(report.facts)),
        section(
            "How to reproduce it",
            f"<pre>{text(report.command)}</pre>{_facts(report.environment)}",
            _HOW_REPEAT.format(examples=nouns.examples),
        ),
    )
    write_text(path, page(report.title, STYLE, "\n".join(part for part in sections if part)))


def _cards(part: EvaluatedPart, of: str, nouns: Nouns) -> str:
    """The headline figures of one part of the images."""
    metrics, found = part.metrics, intervals(part)
    cards = [_card("Top-1", metrics.top1, found.top1, f"of {metrics.images:,} {of} {nouns.answers} answered right.")]
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


def _curves(history: Sequence[EpochRow], best_by: BestBy, nouns: Nouns) -> str:
    if not history:
        return section(
            "Learning curves",
            "<p>No epoch was trained: the classifier was fitted on the features of the pretrained network.</p>",
        )
    starts = stage_starts(history)
    one_size = len({row.imgsz for row in history}) == 1
    sizes = ["" if one_size else f" at {row.imgsz} pixels" for row in starts]
    stages = ", ".join(
        f"{text(row.stage + size)} from epoch {row.epoch}" for row, size in zip(starts, sizes, strict=True)
    )
    lines = " A dotted line marks where a stage begins." if len(starts) > 1 else ""
    return section(
        "Learning curves",
        learning_plots(history, nouns, best_by),
        f"{_HOW_CURVES.format(examples=nouns.examples)} Stages: {stages}.{lines}",
    )


def _reliability(part: EvaluatedPart, nouns: Nouns) -> str:
    if part.probabilities is None or part.truth is None:
        return ""
    p = np.asarray(part.probabilities, np.float64)
    return section(
        "Reliability",
        reliability_plots(reliability_bins(p.max(1), p.argmax(1) == part.truth), nouns),
        _HOW_RELIABILITY.format(answers=nouns.answers, these=nouns.answers.capitalize()),
    )


def _findings(findings: Sequence[DataFinding] | None, nouns: Nouns) -> str:
    """What the data's examination found, the gravest first; nothing where there was none."""
    if findings is None:
        return ""
    if not findings:
        return section(f"What the {nouns.examples} tell", "<p>No problems found.</p>")
    ordered = sorted(findings, key=lambda f: _SEVERITY.index(f.level) if f.level in _SEVERITY else len(_SEVERITY))
    rows = [(_level(f.level), text(f.what), text(f.where), text(f.remedy)) for f in ordered]
    return section(
        f"What the {nouns.examples} tell",
        table(("", "Found", "Where", "What to do"), rows, names=4),
        _HOW_FINDINGS.format(examples=nouns.examples),
    )


def _level(level: str) -> str:
    kind = level if level in _SEVERITY else ""
    return f'<span class="level {kind}">{text(level)}</span>'


def _skipped(skipped: Sequence[tuple[str, str]], nouns: Nouns) -> str:
    if not skipped:
        return section(f"Skipped {nouns.examples}", f"<p>None: every {nouns.example} could be read.</p>")
    rows = [(text(path), text(reason)) for path, reason in skipped]
    return section(f"Skipped {nouns.examples} ({len(skipped):,})", table(("File", "Reason"), rows, names=2))


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f'<tr><th scope="row">{text(label)}</th><td>{words(value)}</td></tr>' for label, value in facts)
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


_HOW_FIGURES = (
    "Measured on {answers} that training did not learn from. They chose the best epoch and set the temperature, "
    "though, so {answers} never used "
    "for anything may come out a little worse. The interval says how far chance alone may have moved a figure: two "
    "models whose intervals overlap "
    "widely cannot be told apart on so few {answers}. Shares have Wilson's interval, the other figures one from 1,000 "
    "draws of these {answers} with "
    "replacement (bootstrap); neither knows of {answers} unlike these."
)
_HOW_TEST = (
    "These were set aside before training and used for nothing else, so nothing was chosen to suit them: the "
    "fairest figures of this page for "
    "{examples} of the same kind."
)
_HOW_CURVES = (
    "Both losses should fall. Where the validation loss rises while the training loss still falls, the network "
    "learns its {examples} by heart: "
    "more {examples}, stronger augmentation or fewer epochs help. The training loss may lie above the other, since "
    "training sees altered {examples}."
)
_HOW_RELIABILITY = (
    "{these} are put into bins by the confidence of their answer. Bars that end on the dashed line mean that 0.9 is "
    "right nine times in ten; bars "
    "below it, that the network claims too much; above it, too little. A dot is the mean of its bin, the whisker "
    "its 95&nbsp;% interval: a long one "
    "says that the bin holds too few {answers} to tell."
)
_HOW_FINDINGS = (
    "What was seen when the {examples} were read. A fault or a warning here often explains a mistake above better than "
    "the network does."
)
_HOW_REPEAT = (
    "The same command on the same {examples} with the same versions gives the same split and, on the same kind of "
    "processor with as many threads, the "
    "same weights. The hash is of all {examples} and their labels: where it differs, the {examples} do."
)
