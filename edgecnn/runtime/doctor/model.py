"""Checks a model file on this device: replays its golden samples on each provider, then times those that pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.data_quality.finding import Finding
from edgecnn.errors import InputNotFoundError, ManifestError, ProviderError
from edgecnn.runtime.analysis.weight_bits_timing import time_weight_bits
from edgecnn.runtime.doctor.decoder import compare_opencv
from edgecnn.runtime.doctor.model_timing import Runner, cpu_runners, grey, race, thread_counts, winner
from edgecnn.runtime.doctor.recommendation import Recommendation
from edgecnn.runtime.golden.golden_jpeg import GoldenJpeg
from edgecnn.runtime.golden.replay import GoldenReplay, replay
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.weight_bits import weight_bits
from edgecnn.runtime.providers.availability import missing_providers
from edgecnn.runtime.providers.registry import Provider, available, parse
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.sources.cameras import find_cameras
from edgecnn.runtime.system.cpu_features import is_x86
from edgecnn.runtime.system.machine_state import busy

__all__ = ["examine_model"]


def examine_model(path: Path, ep: str) -> tuple[list[Finding], Recommendation | None]:
    """Replays the golden samples on the named providers, or on all available ones.

    A provider that is not available is a warning if another one is.

    Each provider is opened by name, because ``auto`` refuses a model whose golden samples fail, and `doctor` reports
    the differences.

    Returns:
        The findings, and the command that runs the model fastest; None if no provider passes the golden samples.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the file cannot be used.
        ProviderError: no provider is available.
    """
    if not path.exists():
        raise InputNotFoundError(f"{path}: no such model file or dataset; check the path")
    providers, findings = _usable() if ep == "auto" else (parse(ep), [])
    refused: list[ProviderError] = []
    proven: list[ModelSession] = []
    golden: GoldenSamples | Finding | None = None
    for provider in providers:
        try:
            session = open_session(path, provider.name)
        except ProviderError as error:
            refused.append(error)
            findings.append(_refusal(error, provider.name))
            continue
        if golden is None:
            golden = _golden(session)
            findings += [_summary(session), *compare_opencv(session.manifest, session.file)]
            if isinstance(golden, GoldenSamples) and golden.jpeg is not None:
                findings.append(_jpeg_proof(golden.jpeg, session.file))
        if isinstance(golden, Finding):
            return [*findings, golden], None
        proof = _proof(session, golden)
        findings.append(proof)
        proven += [session] if proof.level == "ok" else []
    if golden is None:
        raise refused[0]
    if not proven:
        return findings, None
    if proven[0].form == "clip":  # `predict` does not take it
        return findings, None
    timing, best = _quickest(proven)
    return [*findings, timing, *_weight_bits(proven)], best


def _usable() -> tuple[tuple[Provider, ...], list[Finding]]:
    """Returns the available providers, and findings for those known to fail.

    A provider named with --ep is tried in any case.
    """
    reasons = {reason.provider: reason for reason in missing_providers()}
    here = available()
    lacking = [reasons[p.name] for p in here if p.name in reasons]
    findings = [
        Finding("note", f"not tried on {r.provider}, which needs {r.what}", r.provider, "")
        if r.kind == "hardware"
        else Finding("warning", f"not tried on {r.provider}: {r.what}", r.provider, r.remedy)
        for r in lacking
    ]
    return tuple(p for p in here if p.name not in reasons), findings


def _refusal(error: ProviderError, provider: str) -> Finding:
    what, _, remedy = str(error).partition("; ")
    return Finding("warning", what, provider, remedy)


def _summary(session: ModelSession) -> Finding:
    size, megabytes = f"{session.manifest.input.width} x {session.manifest.input.height}", session.size_bytes / 1e6
    temporal = session.manifest.temporal
    recurrent = "" if temporal is None else f"{temporal.kind} at {1 / temporal.frame_interval_s:.3g} steps/s, "
    what = (
        f"{session.kind}, {recurrent}{session.classes} classes, {size} pixels, {megabytes:.2f} MB, SHA-256 "
        f"{session.sha256}"
    )
    return Finding("ok", what, session.file, "")


def _golden(session: ModelSession) -> GoldenSamples | Finding:
    """Returns the golden samples, or a finding if there are none."""
    try:
        golden = session.description.golden()
    except ManifestError as error:
        what, _, remedy = str(error).rpartition("; ")
        return Finding("fault", what, session.file, remedy)
    missing = Finding(
        "warning",
        "no golden samples, so the model cannot be verified on this device",
        session.file,
        "export it with --golden synthetic",
    )
    return golden or missing


def _proof(session: ModelSession, golden: GoldenSamples) -> Finding:
    found = replay(session, golden)
    chained = "" if session.form == "image" else ", in sequences that prove the state,"
    what = f"{found.samples} golden samples{chained} on {session.ep}: {_difference(found)}"
    if found.passed:
        return Finding("ok", what, session.file, "")
    remedy = "the file was changed, or this device computes different results: export it again, or use another provider"
    return Finding("fault", what, session.file, remedy)


def _jpeg_proof(jpeg: GoldenJpeg, file: str) -> Finding:
    what = jpeg.difference()
    if what is None:
        return Finding("ok", "golden JPEG: this device decodes the pixels that training saw, at each size", file, "")
    remedy = "answers to JPEG files may differ a little; install OpenCV's wheel from PyPI, or train with --decode full"
    return Finding("warning", what, file, remedy)


def _difference(found: GoldenReplay) -> str:
    figures = f"max_abs_diff {found.max_abs_diff:.2g}, tolerance {found.tolerance:g}"
    return (
        f"{figures}; an output is NaN, or the golden samples do not have this model's input size"
        if math.isnan(found.max_abs_diff)
        else figures
    )


def _quickest(proven: Sequence[ModelSession]) -> tuple[Finding, Recommendation]:
    """Times the providers that passed the golden samples; the CPU provider with several numbers of threads."""
    runners = [runner for session in proven for runner in _runners(session)]
    race(runners, grey(runners[0].session), seconds=min(2.0, 0.5 * len(runners)))
    chosen, close = winner(runners)
    times = ", ".join(
        f"{runner.name} {runner.median_ms:.2f} ms" for runner in sorted(runners, key=lambda runner: runner.median_ms)
    )
    path, ep = proven[0].path, chosen.session.ep
    example = "image.jpg" if proven[0].manifest.temporal is None else "clip.mp4"
    source = next((camera.source for camera in find_cameras() if not camera.problem), example)
    threads = () if chosen.threads is None else ("--threads", chosen.threads)
    verdict = (
        "no clear difference in this short measurement, so the one that uses the fewest resources"
        if close
        else "the fastest here"
    )
    why = f"{verdict}: {chosen.name}"
    command = Recommendation.of(
        why if len(runners) > 1 else f"the only one available: {chosen.name}", *_predict(path, source, ep, threads)
    )
    return Finding(
        "ok", f"latency of one image, network only: {times} (medians)", proven[0].file, _disturbed()
    ), command


def _weight_bits(proven: Sequence[ModelSession]) -> Iterator[Finding]:
    """Checks whether the int8 weights have the faster number of bits. Only for the CPU provider on x86."""
    session = next((session for session in proven if session.ep == "cpu"), None)
    if session is None or not is_x86():
        return
    content = read_model_file(session.path).content
    bits = weight_bits(content, session.path)
    if bits is None:
        return
    found = time_weight_bits(content, session.path)
    if found.faster in (None, bits):
        yield Finding("ok", f"int8 weights of {bits} bits; {found}", session.file, "")
    else:
        remedy = "quantize the float file on this machine: `edgecnn quantize` then uses the faster number of bits"
        yield Finding("warning", f"int8 weights of {bits} bits; {found}", session.file, remedy)


def _disturbed() -> str:
    load = busy()
    return (
        ""
        if load is None
        else f"other programs used the processor too (load average {load:.1f}): measure again when they do not"
    )


def _predict(path: Path, source: str, ep: str, threads: tuple[str, int] | tuple[()]) -> tuple[object, ...]:
    return ("edgecnn", "predict", path, source, "--ep", ep, *threads)


def _runners(session: ModelSession) -> list[Runner]:
    return cpu_runners(session, thread_counts()) if session.ep == "cpu" else [Runner(session, None)]
