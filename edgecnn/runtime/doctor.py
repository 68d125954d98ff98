"""Examines a machine, a model on it, or a folder of pictures, and says what to do about each fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import ProviderError
from edgecnn.runtime.doctor_data import examine_data
from edgecnn.runtime.doctor_environment import examine_environment
from edgecnn.runtime.finding import Finding
from edgecnn.runtime.golden import replay
from edgecnn.runtime.providers import available, parse
from edgecnn.runtime.session import open_session

__all__ = ["Diagnosis", "Finding", "examine"]


@dataclass(frozen=True)
class Diagnosis:
    """What ``edgecnn doctor`` reports."""

    ok: bool  # no fault among the findings
    findings: tuple[Finding, ...]


def examine(target: Path | None = None, ep: str = "auto") -> Diagnosis:
    """Examines this machine; with a model file its golden samples here; with a folder the pictures in it.

    Raises:
        InputNotFoundError, ModelError, ManifestError, DataError: the target cannot be examined at all.
        ProviderError: a provider that was asked for is not here.
    """
    if target is None:
        findings = examine_environment()
    elif target.is_dir():
        findings = examine_data(target)
    else:
        findings = _examine_model(target, ep)
    return Diagnosis(all(f.level != "fault" for f in findings), tuple(findings))


def _examine_model(path: Path, ep: str) -> list[Finding]:
    """Replays the golden samples on each provider in question."""
    findings = []
    for provider in available() if ep == "auto" else parse(ep):
        try:
            session = open_session(path, provider.name)
        except ProviderError as error:
            if ep != "auto":
                raise
            findings.append(Finding("warning", str(error), provider.name, ""))
            continue
        golden = session.description.golden()
        if golden is None:
            findings.append(Finding("warning", "no golden samples, so nothing proves the model here", str(path), "export it with --golden synthetic"))
            break
        found = replay(session, golden)
        what = f"{found.samples} golden samples on {provider.name}: off by {found.max_abs_diff:.2g} at most, {found.tolerance:g} is allowed"
        remedy = "" if found.passed else "the file was changed, or this device computes it differently: export it again, or use another provider"
        findings.append(Finding("ok" if found.passed else "fault", what, str(path), remedy))
    return findings
