"""Proves a model file on this device: its golden samples, on each provider in question."""

from __future__ import annotations

import math
from pathlib import Path

from edgecnn.errors import InputNotFoundError, ManifestError, ProviderError
from edgecnn.finding import Finding
from edgecnn.runtime.golden import GoldenReplay, GoldenSamples, replay
from edgecnn.runtime.providers import available, parse
from edgecnn.runtime.session import ModelSession, open_session

__all__ = ["examine_model"]


def examine_model(path: Path, ep: str) -> list[Finding]:
    """Replays the golden samples on the providers named, or on all that are here; one that is not here is a warning while another is.

    Each is opened by its name: ``auto`` would refuse a model whose samples fail, where the figures are what is asked for.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the file cannot be opened.
        ProviderError: none of the providers can be had.
    """
    if not path.exists():
        raise InputNotFoundError(f"{path}: no such model file or folder of pictures; check the path")
    findings: list[Finding] = []
    refused: list[ProviderError] = []
    golden: GoldenSamples | Finding | None = None
    for provider in available() if ep == "auto" else parse(ep):
        try:
            session = open_session(path, provider.name)
        except ProviderError as error:
            refused.append(error)
            findings.append(_refusal(error, provider.name))
            continue
        if golden is None:
            golden = _golden(session)
            findings.append(_summary(session))
        if isinstance(golden, Finding):
            return [*findings, golden]
        findings.append(_proof(session, golden))
    if golden is None:
        raise refused[0]
    return findings


def _refusal(error: ProviderError, provider: str) -> Finding:
    what, _, remedy = str(error).partition("; ")
    return Finding("warning", what, provider, remedy)


def _summary(session: ModelSession) -> Finding:
    size, megabytes = f"{session.manifest.input.width} x {session.manifest.input.height}", session.size_bytes / 1e6
    what = f"{session.kind}, {session.classes} classes, {size} pixels, {megabytes:.2f} MB, SHA-256 {session.sha256}"
    return Finding("ok", what, session.file, "")


def _golden(session: ModelSession) -> GoldenSamples | Finding:
    """The samples, or why there are none to replay."""
    try:
        golden = session.description.golden()
    except ManifestError as error:
        what, _, remedy = str(error).rpartition("; ")
        return Finding("fault", what, session.file, remedy)
    missing = Finding("warning", "no golden samples, so nothing proves the model here", session.file, "export it with --golden synthetic")
    return golden or missing


def _proof(session: ModelSession, golden: GoldenSamples) -> Finding:
    found = replay(session, golden)
    what = f"{found.samples} golden samples on {session.ep}: {_difference(found)}"
    if found.passed:
        return Finding("ok", what, session.file, "")
    remedy = "the file was changed, or this device computes it differently: export it again, or use another provider"
    return Finding("fault", what, session.file, remedy)


def _difference(found: GoldenReplay) -> str:
    figures = f"max_abs_diff {found.max_abs_diff:.2g}, tolerance {found.tolerance:g}"
    return f"{figures}; an answer is no number, or the samples are not of this model's size" if math.isnan(found.max_abs_diff) else figures
