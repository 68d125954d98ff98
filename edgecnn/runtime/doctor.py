"""Examines a machine, a model on it, or a folder of pictures, and says what to do about each fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.finding import Finding
from edgecnn.progress import Reporter
from edgecnn.runtime.doctor_data import examine_data
from edgecnn.runtime.doctor_environment import examine_environment
from edgecnn.runtime.doctor_model import examine_model

__all__ = ["Diagnosis", "Finding", "examine"]


@dataclass(frozen=True)
class Diagnosis:
    """What ``edgecnn doctor`` reports."""

    ok: bool  # no fault among the findings
    findings: tuple[Finding, ...]


def examine(target: Path | None = None, ep: str = "auto", reporter: Reporter | None = None) -> Diagnosis:
    """Examines this machine; with a model file its golden samples here; with a folder the pictures in it.

    Args:
        target: a model file, a folder of pictures, or None for the machine.
        ep: for a model: the providers to prove it on; ``auto``: every one that is here.
        reporter: told how far the reading of a folder is.

    Raises:
        InputNotFoundError, ModelError, ManifestError, DataError: the target cannot be examined at all.
        ProviderError: none of the providers that were asked for is here.
    """
    if target is None:
        findings = examine_environment()
    elif target.is_dir():
        findings = examine_data(target, reporter)
    else:
        findings = examine_model(target, ep)
    return Diagnosis(all(f.level != "fault" for f in findings), tuple(findings))
