"""``RUN/report.html``: how good the model came out, for a person.

One file that needs nothing else, to keep, send or print.

Curves and reliability are SVG by matplotlib and hold no word of the user's; the confusion matrix is an HTML table,
because labels come in every script and length, and a browser knows how to set them.
"""

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.training.report.content import DataFinding as DataFinding
    from edgecnn.training.report.content import EvaluatedPart as EvaluatedPart
    from edgecnn.training.report.content import Mistake as Mistake
    from edgecnn.training.report.content import ReportInput as ReportInput
    from edgecnn.training.report.page import write_report as write_report

__all__ = ["DataFinding", "EvaluatedPart", "Mistake", "ReportInput", "write_report"]

_MODULES = {
    "DataFinding": "content",
    "EvaluatedPart": "content",
    "Mistake": "content",
    "ReportInput": "content",
    "write_report": "page",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
