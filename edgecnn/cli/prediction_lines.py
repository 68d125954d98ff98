"""A line a prediction on standard output: text, JSON or CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from edgecnn.cli.output import as_json, print_json
from edgecnn.error_text import printable

if TYPE_CHECKING:
    from edgecnn.runtime.decision import Prediction

__all__ = ["LineFormat", "line_writer"]

LineFormat = Literal["text", "jsonl", "csv"]


def line_writer(line_format: LineFormat) -> Callable[[Prediction], None]:
    """What writes a prediction in a format, at once: a reader at the other end of a pipe waits for no buffer."""
    writers: dict[LineFormat, Callable[[Prediction], None]] = {"text": _write_text, "jsonl": print_json}
    return _CsvWriter() if line_format == "csv" else writers[line_format]


def _write_text(p: Prediction) -> None:
    if p.status == "ok":
        answer = f"Prediction: {p.label} ({p.score:.2f})"
    elif p.status == "unknown":
        # Smoothing has no ranked list of classes
        answer = f"Prediction: unknown ({f'{p.top[0].label} {p.top[0].score:.2f}' if p.top else p.reason})"
    else:
        answer = f"{'no decision' if p.status == 'no_decision' else 'error'}: {p.reason}"
    from edgecnn.runtime.sources.address import with_colon

    print(printable(with_colon(p.source), keep_bytes=True), printable(answer), flush=True)


class _CsvWriter:
    """A header, then a row an image; nested values as JSON."""

    def __init__(self) -> None:
        import csv

        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        self._begun = False

    def __call__(self, prediction: Prediction) -> None:
        row: dict[str, Any] = as_json(prediction)
        if not self._begun:
            self._csv.writerow(row)
            self._begun = True
        self._csv.writerow(json.dumps(v) if isinstance(v, dict | list) else v for v in row.values())
        sys.stdout.flush()
