"""HTML of an answer for a notebook. Labels and names are texts of somebody else's: they are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["answer_html"]


def answer_html(heading: str, scores: Sequence[tuple[str, float]], footer: Sequence[str]) -> str:
    """An answer with a bar for each class.

    Args:
        heading: the answer.
        scores: classes with their probabilities, in their order.
        footer: what it rests on.
    """
    rows = "".join(
        f'<tr><td style="text-align:left">{escape(label)}</td>'
        f'<td><progress max="1" value="{score:.4f}"></progress></td><td>{score:.2f}</td></tr>'
        for label, score in scores
    )
    table = f"<table>{rows}</table>" if rows else ""
    return f"<div><strong>{escape(heading)}</strong>{table}<small>{escape(' · '.join(footer))}</small></div>"
