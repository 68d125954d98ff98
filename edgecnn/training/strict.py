"""``train --strict``: a run that does not begin on data with faults."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.data_quality.finding import Finding
from edgecnn.errors import GateError
from edgecnn.training.options import TrainOptions

__all__ = ["require_no_faults"]


def require_no_faults(options: TrainOptions, findings: Sequence[Finding]) -> None:
    """Raises :class:`GateError` for what the examination of the data found, where `--strict` asks for it."""
    faults = [finding for finding in findings if finding.level == "fault"]
    if options.strict and faults:
        worst = faults[0]
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        clips = " --clips" if options.temporal is not None else ""
        raise GateError(
            f"--strict: {worst.what}: {worst.where}{more}; {worst.remedy}. "
            f"`edgecnn doctor {options.data}{clips}` lists all"
        )
