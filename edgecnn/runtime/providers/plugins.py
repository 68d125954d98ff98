"""Plugin providers: libraries in separate packages, which the standard onnxruntime loads at run time.

See onnxruntime's "Plugin Execution Provider Libraries". Each is registered once per process, on first use. This loads
its library, which takes 12 to 31 ms for OpenVINO.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime

from edgecnn.errors import ProviderError
from edgecnn.runtime.providers.openvino_options import DEVICE_TYPE, openvino_options
from edgecnn.runtime.session.ort_errors import ort_reason

__all__ = ["add_plugin", "installed_modules", "is_installed", "why_unusable"]

PREFIX = "onnxruntime_ep_"  # how these packages name their modules

_OPENVINO = "onnxruntime_ep_openvino"
# Where nobody chooses; OpenVINO's graphics and NPU compute in 16 bits
_PREFERRED = {
    _OPENVINO: "CPU",
    "onnxruntime_qnn": "NPU",
}
# Beside load_config all that its plugin still reads; it ignores unknown names in silence
_OPENVINO_PASSED_ON = ("reshape_input",)

_lock = threading.Lock()
_names: dict[str, tuple[str, ...]] = {}  # module -> what its devices are called
_faults: dict[str, str] = {}  # module -> why it could not be registered


@cache
def installed_modules() -> tuple[str, ...]:
    """Returns the modules of installed plugin packages, found by their common prefix."""
    folders = (Path(entry or ".") for entry in sys.path)  # pkgutil would look at every module there is
    found = {path.stem for folder in folders if folder.is_dir() for path in folder.glob(f"{PREFIX}*")}
    return tuple(sorted(name for name in found if name.isidentifier() and is_installed(name)))


def is_installed(module: str) -> bool:
    """Whether the package is installed. Does not import it."""
    return find_spec(module) is not None


def why_unusable(module: str) -> str | None:
    """Returns why an installed plugin cannot be used here, or None if it can."""
    fault = _register(module)
    if fault is None and not _devices(module):
        fault = f"{module} finds no supported device"
        if module == _OPENVINO:
            fault += " (only Intel processors, GPUs and NPUs)"
    return fault


def add_plugin(options: onnxruntime.SessionOptions, module: str, asked: Mapping[str, str], threads: int) -> str:
    """Adds a plugin as the provider to the options of a session.

    Args:
        options: session options, changed in place.
        module: module of the plugin.
        asked: options of the plugin; ``device_type`` chooses its device (CPU, GPU, NPU).
        threads: CPU threads per inference.

    Returns:
        The name of the provider in the session.

    Raises:
        ProviderError: unknown device or option.
    """
    devices = _devices(module)
    device = _choose(devices, asked.get(DEVICE_TYPE), _PREFERRED.get(module))
    rest = {name: value for name, value in asked.items() if name != DEVICE_TYPE}
    if module == _OPENVINO:
        rest = openvino_options(rest, _device_name(device), threads, passed_on=_OPENVINO_PASSED_ON)
    try:
        options.add_provider_for_devices([device], rest)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ProviderError(f"{module} does not take these options ({ort_reason(error)})") from error
    return str(device.ep_name)


def _register(module: str) -> str | None:
    """Loads the plugin's library once. Returns why it cannot be loaded, or None."""
    with _lock:
        if module not in _names and module not in _faults:
            try:
                _names[module] = _load(module)
            except Exception as error:  # noqa: BLE001  # a stranger's package and library: whatever fails there is told
                _faults[module] = f"{module} cannot be loaded: {ort_reason(error)}"
        return _faults.get(module)


def _load(module: str) -> tuple[str, ...]:
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise ProviderError(
            f"onnxruntime {onnxruntime.__version__} does not support plugin providers; version 1.23 or "
            "later is required"
        )
    package = importlib.import_module(module)
    library = next(
        (getattr(package, name) for name in ("get_library_path", "library_path") if hasattr(package, name)), None
    )
    if library is None:
        raise ProviderError("the package does not report the path of its library")
    before = {device.ep_name for device in onnxruntime.get_ep_devices()}
    names = set(package.get_ep_names()) if hasattr(package, "get_ep_names") else set()
    if not names & before:  # else the program that we are part of has registered it
        onnxruntime.register_execution_provider_library(module, library())
    return tuple(names or {device.ep_name for device in onnxruntime.get_ep_devices()} - before)


def _devices(module: str) -> list[Any]:
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name in _names.get(module, ())]


def _choose(devices: Sequence[Any], wanted: str | None, preferred: str | None) -> Any:
    names = [_device_name(device) for device in devices]
    if wanted is None:
        return devices[names.index(preferred) if preferred in names else 0]
    fitting = [device for device, name in zip(devices, names, strict=True) if name.upper() == wanted.upper()]
    if not fitting:
        raise ProviderError(
            f"no device '{wanted}' for {devices[0].ep_name} here; available devices: {', '.join(dict.fromkeys(names))}"
        )
    return fitting[0]


def _device_name(device: Any) -> str:
    """Returns the device name. OpenVINO numbers several GPUs (GPU.0, GPU.1)."""
    return str(device.ep_metadata.get("ov_device") or device.device.type.name)
