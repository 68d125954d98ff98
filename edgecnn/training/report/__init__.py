"""``RUN/report.html``: how good the model came out, for a person.

One file that needs nothing else, to keep, send or print.

Curves and reliability are SVG by matplotlib and hold no word of the user's; the confusion matrix is an HTML table,
because labels come in every script and length, and a browser knows how to set them.
"""

from edgecnn.training.report.content import DataFinding, EvaluatedPart, Mistake, ReportInput
from edgecnn.training.report.page import write_report

__all__ = ["DataFinding", "EvaluatedPart", "Mistake", "ReportInput", "write_report"]
