"""Opens a model file on the requested execution provider, or raises an error with the reason."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import GateError, ProviderError, UsageError
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.golden.cache import is_proven, remember_proof
from edgecnn.runtime.providers.registry import PROVIDERS, Provider, available, parse
from edgecnn.runtime.session.int8_support import check_int8
from edgecnn.runtime.session.model_file import ModelFile, check_same, check_session, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.node_placement import placement
from edgecnn.runtime.session.ort_session import start_engine
from edgecnn.runtime.session.race import clearly_quicker
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.system.denormals import warn_of_flushing

if TYPE_CHECKING:
    import onnxruntime

    from edgecnn.runtime.golden.replay import GoldenReplay
    from edgecnn.runtime.golden.samples import GoldenSamples

__all__ = ["open_session"]

log = logging.getLogger("edgecnn")


def open_session(
    path: str | Path | ModelFile,
    ep: str = "auto",
    threads: int | None = None,
    *,
    prove: bool = False,
    trusted: bool = False,
    options: RunOptions | None = None,
) -> ModelSession:
    """Opens a model file.

    Args:
        path: the ``.onnx`` file, or its content from :func:`read_model_file`.
        ep: short name of a provider; several names, separated by commas, allow the next as a fallback; or ``auto``:
            the best available provider that passes the model's golden samples. A model without golden samples runs
            on the CPU. ``auto`` uses OpenVINO and plugins only if they are a tenth faster than the CPU provider in a
            short measurement.
        threads: CPU threads per inference; None: the value in ``options``.
        prove: replay the golden samples on a named provider too, and refuse a model without golden samples.
        trusted: skip :func:`edgecnn.runtime.admission.admission.admit`; only for files that this program made.
        options: threads, power, memory and provider options.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the file cannot be used.
        ProviderError: the provider is unknown or not available, runs no node of the model, or cannot run an int8
            file in int8. The message has the remedy.
        GateError: the golden samples fail, with ``auto`` on every provider, with ``prove`` on the opened one; or
            ``prove`` is set and the model has no golden samples.
        UsageError: a number is out of range.
    """
    warn_of_flushing()
    options = options or RunOptions()
    if threads is not None:
        options = replace(options, threads=threads)
    model = path if isinstance(path, ModelFile) else read_model_file(path)
    if not trusted:
        admit(model, seconds=options.admission_seconds, how=options.admission)
    if ep == "auto":
        session = _open_best(model, options, prove=prove)
        if prove and session.description.golden_json is None:
            raise _nothing_to_prove(session)
        return session
    refusals = []
    wanted = parse(ep)
    for provider in wanted:
        try:
            session = _open(model, provider, options if provider is wanted[0] else _without_provider_options(options))
        except ProviderError as error:
            refusals.append(error)
            continue
        for refusal in refusals:
            log.warning("%s; falling back to %s, as --ep %s allows", refusal, provider.name, ep)
        if prove:
            _prove(session)
        return session
    raise refusals[0]


def _without_provider_options(options: RunOptions) -> RunOptions:
    """Removes the provider options: they belong to the first provider. A fallback runs with its defaults."""
    return replace(options, provider_options={})


def _prove(session: ModelSession) -> None:
    golden = session.description.golden()
    if golden is None:
        raise _nothing_to_prove(session)
    found = _replay(session, golden)
    if not found.passed:
        raise GateError(
            f"{session.path}: its golden samples fail on {session.ep}: off by {found.max_abs_diff:.2g} (allowed "
            f"{found.tolerance:g}); "
            "export it again, or name another provider with --ep"
        )


def _replay(session: ModelSession, golden: GoldenSamples) -> GoldenReplay:
    # Not at the top: a model that is known here starts without it
    from edgecnn.runtime.golden.replay import replay  # noqa: PLC0415

    return replay(session, golden)


def _nothing_to_prove(session: ModelSession) -> GateError:
    return GateError(
        f"{session.path}: has no golden samples, so it cannot be verified on this device; export it with "
        "--golden synthetic"
    )


def _open_best(model: ModelFile, options: RunOptions, *, prove: bool) -> ModelSession:
    """Opens the model on the best provider that passes its golden samples.

    Without golden samples it uses the CPU, because wrong results of another provider would go unnoticed. A passed
    replay on the CPU is cached; ``prove`` replays anyway.
    """
    if options.provider_options:
        raise UsageError(
            f"--ep auto: {', '.join(options.provider_options)} is an option of one provider; choose the "
            "provider with --ep"
        )
    cpu = _open(model, PROVIDERS["cpu"], options)
    if cpu.description.golden_json is None or (not prove and _is_best_and_proven(cpu, options)):
        return cpu
    golden, findings, passed = cpu.description.golden(), [], None
    assert golden is not None
    for provider in available():
        try:
            session = cpu if provider.name == "cpu" else _open(model, provider, options)
        except ProviderError as error:
            log.warning("%s", error)
            continue
        result = _replay(session, golden)
        if not result.passed:
            findings.append(f"{provider.name}: off by {result.max_abs_diff:.2g} (allowed {result.tolerance:g})")
            log.warning("%s: golden samples fail on %s", model.path, findings[-1])
        elif not provider.raced or clearly_quicker(session, cpu):
            if session is cpu:
                remember_proof(model.sha256, options.thread_count)
            return session
        else:
            passed = session  # no quicker than the CPU provider, which may yet fail
    if passed is not None:
        return passed
    remedy = "export it again" if prove else "export it again, or name a provider with --ep to run it all the same"
    raise GateError(
        f"{model.path}: its golden samples fail on this device ({'; '.join(findings)}): the file was changed, or "
        f"this processor computes it differently; {remedy}"
    )


def _is_best_and_proven(cpu: ModelSession, options: RunOptions) -> bool:
    """Whether the CPU provider is the best one here and passed the golden samples at an earlier start."""
    return available()[0].name == "cpu" and is_proven(cpu.sha256, options.thread_count)


def _open(model: ModelFile, provider: Provider, options: RunOptions) -> ModelSession:
    """Opens the model on one provider; checks the request before and the node placement after."""
    check_int8(model, provider)
    session, full_name = start_engine(model, provider, options)
    found = placement(session, provider, full_name)
    if found is not None and not found.nodes.get(provider.name):
        raise ProviderError(
            f"--ep {provider.name}: {full_name} runs none of {model.path}, all of it would run on the CPU; use --ep cpu"
        )
    if found is not None and found.heavy_elsewhere:
        log.warning(
            "%s: %d convolutions and matrix products do not run on %s: %s",
            model.path,
            found.heavy_elsewhere,
            provider.name,
            found.nodes,
        )
    opened = ModelSession(
        model,
        session,
        provider.name,
        check_session(model.path, session),
        None if found is None else found.nodes,
        # A GPU's driver and OpenVINO's threads do not outlive a fork, and cannot be started in the child
        _same_again(model, provider, options) if provider.name == "cpu" else None,
    )
    opened.warm_up(int(provider.compiles_late) if options.warm_up is None else options.warm_up)
    return opened


def _same_again(
    model: ModelFile, provider: Provider, options: RunOptions
) -> Callable[[], onnxruntime.InferenceSession]:
    """Opens the same file once more, without keeping its bytes until then."""
    sha256 = model.sha256
    path = os.path.abspath(model.path)  # noqa: PTH100  # the child may be in another folder; links stay as they are

    def open_again() -> onnxruntime.InferenceSession:
        fresh = read_model_file(path)
        check_same(fresh, sha256)
        return start_engine(fresh, provider, options)[0]

    return open_again
