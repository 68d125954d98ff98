"""A model file opened on an execution provider: what runs is what was asked for, or an error says why not."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import GateError, ProviderError, UsageError
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.providers.registry import PROVIDERS, Provider, available, parse
from edgecnn.runtime.session.golden_cache import is_proven, remember_proof
from edgecnn.runtime.session.int8_support import check_int8
from edgecnn.runtime.session.model_file import ModelFile, check_session, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.node_placement import placement
from edgecnn.runtime.session.ort_session import start_engine
from edgecnn.runtime.session.race import clearly_quicker
from edgecnn.runtime.session.run_options import RunOptions

if TYPE_CHECKING:
    from edgecnn.runtime.session.golden_replay import GoldenReplay
    from edgecnn.runtime.session.golden_samples import GoldenSamples

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
        path: the ``.onnx`` file, or what :func:`read_model_file` gave of it.
        ep: a provider's short name; several, separated by commas, where the next may stand in; or ``auto``: the
            best here that passes the replay of the model's golden samples (a model without any runs on the CPU).
            OpenVINO and plugins have to beat the CPU provider by a tenth first, in a race of seven images.
        threads: of one inference; None: as ``options`` say.
        prove: replay the golden samples on a named provider too, and refuse a model that has none.
        trusted: open it without :func:`edgecnn.runtime.admission.admission.admit`; for files that this very program
            has made.
        options: threads, power, memory, and what the provider is told.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the file cannot be used.
        ProviderError: no such provider, it is not here, it runs none of the model, or it has no int8 for an int8
            file; the message has the remedy.
        GateError: the golden samples fail: with ``auto`` on every provider, with ``prove`` on the one that opened;
            or it has none to ``prove``.
        UsageError: a number that cannot be used.
    """
    options = options or RunOptions()
    if threads is not None:
        options = replace(options, threads=threads)
    model = path if isinstance(path, ModelFile) else read_model_file(path)
    if not trusted:
        admit(model)
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
            log.warning("%s; running on %s, as --ep %s permits", refusal, provider.name, ep)
        if prove:
            _prove(session)
        return session
    raise refusals[0]


def _without_provider_options(options: RunOptions) -> RunOptions:
    """They are the first provider's; who stands in runs with its own defaults."""
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
    from edgecnn.runtime.session.golden_replay import replay  # noqa: PLC0415  # a model that is known here starts without it

    return replay(session, golden)


def _nothing_to_prove(session: ModelSession) -> GateError:
    return GateError(
        f"{session.path}: has no golden samples, so nothing proves it here; export it with --golden synthetic"
    )


def _open_best(model: ModelFile, options: RunOptions, *, prove: bool) -> ModelSession:
    """The CPU comes first where nothing can prove the others.

    Without golden samples a faster wrong answer would go unnoticed.

    On the CPU a proof is remembered, unless this start is to ``prove`` it anew.
    """
    if options.provider_options:
        raise UsageError(
            f"--ep auto: {', '.join(options.provider_options)} is one provider's option; name the provider with --ep"
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
    raise GateError(
        f"{model.path}: its golden samples fail on this device ({'; '.join(findings)}): the file was changed, or "
        "this processor computes it "
        "differently; export it again, or name a provider with --ep to run it all the same"
    )


def _is_best_and_proven(cpu: ModelSession, options: RunOptions) -> bool:
    """Whether nothing would be tried before the CPU provider, and that gave the golden samples' answers at an earlier
    start."""
    return available()[0].name == "cpu" and is_proven(cpu.sha256, options.thread_count)


def _open(model: ModelFile, provider: Provider, options: RunOptions) -> ModelSession:
    """What is asked for is checked before, what runs after."""
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
        model, session, provider.name, check_session(model.path, session), None if found is None else found.nodes
    )
    opened.warm_up(int(provider.compiles_late) if options.warm_up is None else options.warm_up)
    return opened
