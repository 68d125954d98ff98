"""Opens onnxruntime's session on one provider, or raises an error with the reason.

Provider names are checked before opening, because onnxruntime prints a banner on standard output and falls back to the
CPU. After opening, the session is checked for the provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnxruntime

from edgecnn.errors import ModelError, ProviderError
from edgecnn.runtime.providers.openvino_options import DEVICE_TYPE, openvino_options
from edgecnn.runtime.providers.plugins import add_plugin
from edgecnn.runtime.providers.registry import Provider, why_missing
from edgecnn.runtime.session.fork_safety import keep_in_children
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.node_placement import record_placement
from edgecnn.runtime.session.ort_errors import ort_reason, silenced
from edgecnn.runtime.session.run_options import RunOptions

__all__ = ["start_engine"]

_NEEDS_BINDING = "enable_cuda_graph"


def start_engine(model: ModelFile, provider: Provider, options: RunOptions) -> tuple[onnxruntime.InferenceSession, str]:
    """Opens onnxruntime's session.

    Returns:
        The session, and the name of the provider in it.

    Raises:
        ProviderError: the provider is not available, cannot open the model, or refuses the options. The message has
            the remedy.
        ModelError: the CPU provider cannot open the file, so it is not a valid model.
    """
    _check_provider_options(provider, options.provider_options)
    if not (provider.built_in or provider.plugin):
        raise ProviderError(f"--ep {provider.name}: {why_missing(provider)}")
    settings = options.session_options(on_cpu=provider.name == "cpu", content=model.content)
    record_placement(settings)
    full_name, chosen = provider.full_name, {}
    missing = provider.missing_libraries  # told where it does not open; onnxruntime may do without one of them
    try:
        if plugin := provider.plugin:
            full_name = add_plugin(settings, plugin, options.provider_options, options.thread_count)
        else:
            chosen = {"providers": [(full_name, _provider_options(provider, options))]}
        with silenced(when=bool(missing)):
            session = keep_in_children(
                onnxruntime.InferenceSession(model.content, settings, **chosen, enable_fallback=0)
            )
    except Exception as error:  # onnxruntime raises its own classes, which derive from Exception alone
        why = str(error) if isinstance(error, ProviderError) else ort_reason(error)
        if provider.name == "cpu":
            raise ModelError(
                f"{model.path}: not a model that onnxruntime can load ({why}); give a .onnx file that `edgecnn "
                "export` wrote"
            ) from error
        raise _cannot_open(model, provider, options, missing, why) from error
    if session.get_providers()[0] != full_name:
        why = f"onnxruntime did not load {full_name}: its device, its driver or a library is missing"
        raise _cannot_open(model, provider, options, missing, why)
    return session, full_name


def _cannot_open(
    model: ModelFile, provider: Provider, options: RunOptions, missing: Sequence[str], why: str
) -> ProviderError:
    """Builds the error for the most likely cause: a missing library, --strict-ep, an option, or else the provider."""
    if missing:
        return ProviderError(f"--ep {provider.name}: {', '.join(missing)} cannot be loaded; {provider.remedy}")
    if options.strict and "fallback" in why:
        return ProviderError(
            f"--ep {provider.name}: leaves nodes of {model.path} to the CPU, which --strict-ep forbids; leave it "
            "out, or use --ep cpu"
        )
    asked = ", ".join(f"{name}={value}" for name, value in options.provider_options.items())
    told, remedy = (f" with {asked}", f"correct the option, or {provider.remedy}") if asked else ("", provider.remedy)
    return ProviderError(f"--ep {provider.name}: cannot open {model.path}{told} ({why}); {remedy}")


def _provider_options(provider: Provider, options: RunOptions) -> dict[str, str]:
    """Returns the options for a built-in provider."""
    told = dict(options.provider_options)
    if provider.name == "openvino":
        device = told.pop(DEVICE_TYPE, "CPU")
        return {DEVICE_TYPE: device, **openvino_options(told, device, options.thread_count)}
    if provider.threads_option:
        told.setdefault(provider.threads_option, str(options.thread_count))
    return told


def _check_provider_options(provider: Provider, asked: Mapping[str, str]) -> None:
    """Refuses options that onnxruntime ignores without a message, or that give wrong results."""
    if asked and provider.name == "cpu":
        raise ProviderError(
            f"--ep cpu: has no options, {', '.join(asked)} included; threads, power and memory have options of their "
            "own"
        )
    if asked.get(_NEEDS_BINDING, "0") not in ("0", "false", "False"):
        raise ProviderError(
            f"--ep {provider.name}: {_NEEDS_BINDING} replays a graph on the addresses of its first run, which images "
            "here do not keep; leave it out"
        )
