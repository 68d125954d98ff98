"""Execution providers by short name: availability, reasons for missing ones, and what to install."""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime

from edgecnn.errors import ProviderError
from edgecnn.runtime.providers import plugins
from edgecnn.runtime.providers.cuda_libraries import missing_cuda_libraries

__all__ = ["PROVIDERS", "Provider", "available", "parse", "why_missing"]

# Read before any plugin is registered, which adds its name there
_BUILT_IN = frozenset(onnxruntime.get_available_providers())

_GPU_PACKAGE = (
    "pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime, and install NVIDIA's driver for CUDA 13"
)


@dataclass(frozen=True)
class Provider:
    """An execution provider of onnxruntime."""

    name: str  # short, as on the command line
    full_name: str  # onnxruntime's
    remedy: str  # how to get it
    module: str | None = None  # of its plugin package, which goes before one that is built in
    # Computes where the CPU provider does, or on a device not known here: only a race tells which of them is quicker
    raced: bool = False
    compiles_late: bool = False  # its first inference compiles kernels or builds an engine
    threads_option: str | None = None  # what it calls the number of threads, where it does not use onnxruntime's

    @property
    def built_in(self) -> bool:
        """Whether the installed onnxruntime was built with it."""
        return self.full_name in _BUILT_IN

    @property
    def missing_libraries(self) -> tuple[str, ...]:
        """Required CUDA libraries that are not found. Libraries that are found are loaded."""
        return (
            missing_cuda_libraries(tensorrt=self.name == "tensorrt")
            if self.built_in and self.name in ("cuda", "tensorrt")
            else ()
        )

    @property
    def plugin(self) -> str | None:
        """Module of its plugin, if the plugin is installed and has a device here; else None."""
        found = (
            self.module is not None and plugins.is_installed(self.module) and plugins.why_unusable(self.module) is None
        )
        return self.module if found else None


PROVIDERS = {
    p.name: p
    for p in (  # best first: the order in which `auto` tries them
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            f"{_GPU_PACKAGE}; install TensorRT 10 in a folder that the loader searches",
            compiles_late=True,
        ),
        Provider("cuda", "CUDAExecutionProvider", _GPU_PACKAGE, compiles_late=True),
        Provider("coreml", "CoreMLExecutionProvider", "use onnxruntime's macOS wheel", compiles_late=True),
        Provider(
            "directml",
            "DmlExecutionProvider",
            "install onnxruntime-directml in place of onnxruntime (Windows)",
            compiles_late=True,
        ),
        Provider(
            "openvino",
            "OpenVINOExecutionProvider",
            "pip install 'edgecnn[openvino]' on an Intel processor, or onnxruntime-openvino in place of onnxruntime "
            "on any other",
            module="onnxruntime_ep_openvino",
            raced=True,
        ),
        Provider(
            "qnn",
            "QNNExecutionProvider",
            "pip install onnxruntime-qnn, a plugin beside onnxruntime, on a Snapdragon",
            module="onnxruntime_qnn",
            compiles_late=True,
        ),
        Provider("cpu", "CPUExecutionProvider", "it is part of every onnxruntime"),
        Provider(
            "xnnpack",
            "XnnpackExecutionProvider",
            "build onnxruntime with XNNPACK",
            threads_option="intra_op_num_threads",
        ),
    )
}
_LISTED_MODULES = {p.module for p in PROVIDERS.values()}


def available() -> tuple[Provider, ...]:
    """Returns the available providers, best first: those built into the installed onnxruntime, and plugins."""
    known = list(PROVIDERS.values())
    cpu = known.index(PROVIDERS["cpu"])
    return tuple(p for p in (*known[:cpu], *_other_plugins(), *known[cpu:]) if p.built_in or p.plugin)


def parse(names: str) -> tuple[Provider, ...]:
    """Parses provider names, as in ``"cuda,cpu"``, to providers in the same order.

    The name of an installed plugin is its module, or the part of it after ``onnxruntime_ep_``.

    Raises:
        ProviderError: an unknown name.
    """
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    found = [PROVIDERS.get(name) or _plugin_called(name) for name in wanted]
    unknown = [name for name, provider in zip(wanted, found, strict=True) if provider is None]
    if unknown or not wanted:
        known = ", ".join((*PROVIDERS, *(p.name for p in _other_plugins())))
        raise ProviderError(
            f"--ep {names}: unknown execution provider '{', '.join(unknown)}'; known providers: auto, {known}"
        )
    return tuple(provider for provider in found if provider is not None)


def why_missing(provider: Provider) -> str | None:
    """Returns why a provider is not available, with the remedy after a semicolon; None if no cause is found.

    The check includes the libraries of CUDA and TensorRT. It does not detect what only an open session shows (no GPU,
    an old driver).
    """
    if provider.plugin:
        return None
    if provider.built_in:
        missing = provider.missing_libraries
        return f"{', '.join(missing)} cannot be loaded; {provider.remedy}" if missing else None
    if provider.module is None:
        return f"this onnxruntime ({onnxruntime.__version__}) was built without {provider.full_name}; {provider.remedy}"
    if not plugins.is_installed(provider.module):
        return f"the package {provider.module.replace('_', '-')} is not installed; {provider.remedy}"
    return f"{plugins.why_unusable(provider.module)}; {provider.remedy}"


def _other_plugins() -> tuple[Provider, ...]:
    """Returns installed plugins that are not in the table of providers."""
    return tuple(_from_module(module) for module in plugins.installed_modules() if module not in _LISTED_MODULES)


def _plugin_called(name: str) -> Provider | None:
    """Returns the installed plugin with this name, or None.

    Only modules with the onnxruntime prefix are considered, because the module of a plugin is imported to find its
    library.
    """
    bare = name.replace("-", "_")
    for module in (plugins.PREFIX + bare, bare):
        if module.isidentifier() and module.startswith("onnxruntime_") and plugins.is_installed(module):
            return next((p for p in PROVIDERS.values() if p.module == module), None) or _from_module(module)
    return None


def _from_module(module: str) -> Provider:
    package = module.replace("_", "-")
    name = package.removeprefix(plugins.PREFIX.replace("_", "-"))
    return Provider(name, package, f"see the requirements of {package}", module=module, raced=True, compiles_late=True)
