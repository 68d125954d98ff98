"""The training report, ``RUN/report.html``: one self-contained file.

Curves and reliability diagrams are SVG by matplotlib without user text. The confusion matrix is an HTML table, because
browsers render labels in every script and length.
"""

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.training.report.content import DataFinding as DataFinding
    from edgecnn.training.report.content import EvaluatedPart as EvaluatedPart
    from edgecnn.training.report.content import Mistake as Mistake
    from edgecnn.training.report.content import ReportInput as ReportInput
    from edgecnn.training.report.content import Timeline as Timeline
    from edgecnn.training.report.page import write_report as write_report

__all__ = ["DataFinding", "EvaluatedPart", "Mistake", "ReportInput", "Timeline", "write_report"]

_MODULES = {
    "DataFinding": "content",
    "EvaluatedPart": "content",
    "Mistake": "content",
    "ReportInput": "content",
    "Timeline": "content",
    "write_report": "page",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
