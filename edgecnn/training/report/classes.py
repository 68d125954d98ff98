"""Confusion between classes, and metrics per class.

A matrix as long as it can be read, else the pairs with the most mistakes; and how each class fared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.html_page import text
from edgecnn.evaluation.metrics import ClassMetrics, Metrics
from edgecnn.training.nouns import Nouns
from edgecnn.training.report.markup import figure_text, section, table

__all__ = ["class_section", "confusion_section"]

MAX_MATRIX_CLASSES = 30  # above that a matrix is unreadable: the most confused pairs are listed instead
MAX_PAIRS = 30


def confusion_section(metrics: Metrics, nouns: Nouns) -> str:
    """The matrix, or the most confused pairs."""
    confusion = np.array(metrics.confusion, np.int64)  # [C, C] row: truth, column: answer
    labels = [c.label for c in metrics.per_class]
    if len(labels) <= MAX_MATRIX_CLASSES:
        return section("Confusion matrix", _matrix(confusion, labels), _HOW_MATRIX.format(answers=nouns.answers))
    return section("Most confused classes", _pairs(confusion, labels, nouns), _HOW_PAIRS.format(answers=nouns.answers))


def _matrix(confusion: NDArray[np.int64], labels: Sequence[str]) -> str:
    names = [text(label) for label in labels]
    heads = "".join(f'<th scope="col" title="{name}"><span>{name}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row" title="{names[i]}"><span>{names[i]}</span></th>'
        f"{''.join(_cell(row, i, j, names) for j in range(len(names)))}</tr>"
        for i, row in enumerate(confusion)
    )
    size = "few" if len(labels) <= 6 else "many"
    corner = '<td class="corner">truth ↓<br>answer →</td>'
    return (
        f'<div class="scroll" tabindex="0"><table class="matrix {size}"><thead><tr>{corner}{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(row: NDArray[np.int64], i: int, j: int, names: Sequence[str]) -> str:
    """One count, on a colour whose strength is its share of the row: blue for right answers, orange for wrong ones."""
    count = int(row[j])
    if not count:
        return '<td class="none">0</td>'
    share = count / int(row.sum())
    color = "31,95,168" if i == j else "214,105,22"
    ink = ";color:#fff" if share > 0.6 else ""
    style = f"background:rgba({color},{0.12 + 0.88 * share:.2f}){ink}"
    return f'<td style="{style}" title="{names[i]} answered as {names[j]}: {count}">{count}</td>'


def _pairs(confusion: NDArray[np.int64], labels: Sequence[str], nouns: Nouns) -> str:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]  # stable: ties in the order of the labels
    places = [divmod(int(k), len(labels)) for k in order if wrong.flat[k]]
    if not places:
        return "<p>No class was confused with another.</p>"
    rows = [
        (text(labels[i]), text(labels[j]), f"{wrong[i, j]:,}", figure_text(float(wrong[i, j] / confusion[i].sum())))
        for i, j in places
    ]
    return table(("Truth", "Answer", nouns.answers.capitalize(), "Share of the truth"), rows, names=2)


def class_section(classes: Sequence[ClassMetrics], nouns: Nouns) -> str:
    """A row a class, the weakest first."""
    worst_first = sorted(classes, key=lambda c: math.inf if c.f1 is None else c.f1)
    rows = [
        (text(c.label), f"{c.images:,}", *(figure_text(v) for v in (c.precision, c.recall, c.f1))) for c in worst_first
    ]
    return section(
        "Classes, the weakest first",
        table(("Class", nouns.answers.capitalize(), "Precision", "Recall", "F1"), rows, names=1),
        _HOW_CLASSES.format(answers=nouns.answers),
    )


_HOW_MATRIX = (
    "Each row is a true class, each column an answer: blue on the diagonal is right, orange beside it a mistake, "
    "stronger the larger its share of "
    "the row. Two classes that trade mistakes look alike to the network; see whether their {answers} are labelled "
    "rightly, or give it more of them."
)
_HOW_PAIRS = (
    "The pairs with the most mistakes, one row each: {answers} of the first class that were answered as the second. A "
    "pair that appears both ways "
    "round looks alike to the network; see whether their {answers} are labelled rightly, or give it more of them."
)
_HOW_CLASSES = (
    "Precision: of the answers that name the class, the share that are right. Recall: of the {answers} of the class, "
    "the share that are found. F1 is "
    "high only where both are. A dash stands where nothing can be said: the class was never answered, or never shown."
)
