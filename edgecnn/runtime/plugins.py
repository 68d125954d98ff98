"""Plugin providers: libraries in packages of their own, which the plain onnxruntime loads at run time.

onnxruntime's "Plugin Execution Provider Libraries" describes them. Each is registered once in a process, when it is first asked for: that loads its
library, 12 to 31 ms for OpenVINO's.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime

from edgecnn.errors import ProviderError
from edgecnn.runtime.engine_message import first_line

__all__ = ["add_plugin", "installed_modules", "is_installed", "why_unusable"]

PREFIX = "onnxruntime_ep_"  # how these packages name their modules

_OPENVINO = "onnxruntime_ep_openvino"
_PREFERRED = {_OPENVINO: "CPU", "onnxruntime_qnn": "NPU"}  # where nobody chooses; OpenVINO's graphics and NPU compute in 16 bits
_OPENVINO_PASSED_ON = ("reshape_input",)  # beside load_config all that its plugin still reads; it ignores unknown names in silence
_DEVICE = "device_type"  # the name that the OpenVINO provider built into onnxruntime has for it

_lock = threading.Lock()
_names: dict[str, tuple[str, ...]] = {}  # module -> what its devices are called
_faults: dict[str, str] = {}  # module -> why it could not be registered


@cache
def installed_modules() -> tuple[str, ...]:
    """Modules of the plugin packages that are installed, by their common prefix."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules() if m.name.startswith(PREFIX)))


def is_installed(module: str) -> bool:
    """Whether the package is there; it is not imported."""
    return find_spec(module) is not None


def why_unusable(module: str) -> str | None:
    """Why an installed plugin cannot run anything here; None where it can."""
    fault = _register(module)
    if fault is None and not _devices(module):
        fault = f"{module} finds no device here that it supports"
        if module == _OPENVINO:
            fault += " (Intel's processors, graphics and NPUs alone)"
    return fault


def add_plugin(options: onnxruntime.SessionOptions, module: str, asked: Mapping[str, str], threads: int) -> str:
    """Makes a registered plugin the provider of a session that is to be opened.

    Args:
        options: changed in place.
        module: the plugin's.
        asked: its options; ``device_type`` chooses between its devices (CPU, GPU, NPU).
        threads: of one inference on the CPU.

    Returns:
        What the provider is called in the session.

    Raises:
        ProviderError: there is no such device or option.
    """
    devices = _devices(module)
    device = _choose(devices, asked.get(_DEVICE), _PREFERRED.get(module))
    rest = {name: value for name, value in asked.items() if name != _DEVICE}
    if module == _OPENVINO:
        rest = _openvino_options(rest, _device_name(device), threads)
    try:
        options.add_provider_for_devices([device], rest)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ProviderError(f"{module} does not take these options ({first_line(error)})") from error
    return str(device.ep_name)


def _register(module: str) -> str | None:
    """Loads the plugin's library, once; what was wrong with it, if anything."""
    with _lock:
        if module not in _names and module not in _faults:
            try:
                _names[module] = _load(module)
            except Exception as error:  # noqa: BLE001  # a stranger's package and library: whatever fails there is told
                _faults[module] = f"{module} cannot be loaded: {first_line(error)}"
        return _faults.get(module)


def _load(module: str) -> tuple[str, ...]:
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise ProviderError(f"onnxruntime {onnxruntime.__version__} takes no plugin providers, 1.23 and later do")
    package = importlib.import_module(module)
    library = next((getattr(package, name) for name in ("get_library_path", "library_path") if hasattr(package, name)), None)
    if library is None:
        raise ProviderError("the package does not tell where its library is")
    before = {device.ep_name for device in onnxruntime.get_ep_devices()}
    onnxruntime.register_execution_provider_library(module, library())
    if hasattr(package, "get_ep_names"):
        return tuple(package.get_ep_names())
    return tuple({device.ep_name for device in onnxruntime.get_ep_devices()} - before)


def _devices(module: str) -> list[Any]:
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name in _names.get(module, ())]


def _choose(devices: Sequence[Any], wanted: str | None, preferred: str | None) -> Any:
    names = [_device_name(device) for device in devices]
    if wanted is None:
        return devices[names.index(preferred) if preferred in names else 0]
    fitting = [device for device, name in zip(devices, names, strict=True) if name.upper() == wanted.upper()]
    if not fitting:
        raise ProviderError(f"there is no device '{wanted}' for {devices[0].ep_name} here; there is {', '.join(dict.fromkeys(names))}")
    return fitting[0]


def _device_name(device: Any) -> str:
    """OpenVINO tells several graphics chips apart (GPU.0, GPU.1)."""
    return str(device.ep_metadata.get("ov_device") or device.device.type.name)


def _openvino_options(asked: Mapping[str, str], device: str, threads: int) -> dict[str, str]:
    """Its plugin takes OpenVINO's own properties, names in capitals, as JSON a device under the one option ``load_config``."""
    unknown = [name for name in asked if name not in ("load_config", *_OPENVINO_PASSED_ON) and not name.isupper()]
    if unknown:
        raise ProviderError(
            f"{_OPENVINO} has no option '{unknown[0]}'; there are {_DEVICE}, load_config, {', '.join(_OPENVINO_PASSED_ON)}, and OpenVINO's own "
            "properties in capitals, as in INFERENCE_PRECISION_HINT=f32"
        )
    config = _read_config(asked["load_config"]) if "load_config" in asked else {}
    properties = config.setdefault(device, {})
    properties |= {name: value for name, value in asked.items() if name.isupper()}
    if device == "CPU":
        properties.setdefault("INFERENCE_NUM_THREADS", str(threads))
        if "EXECUTION_MODE_HINT" not in properties:  # else bfloat16, where the processor has it: golden samples were off by 0.01
            properties.setdefault("INFERENCE_PRECISION_HINT", "f32")
    return {"load_config": json.dumps(config)} | {name: asked[name] for name in _OPENVINO_PASSED_ON if name in asked}


def _read_config(given: str) -> dict[str, dict[str, Any]]:
    """JSON, or a file of it."""
    try:
        found = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProviderError(f"load_config={given}: neither JSON nor a file of it ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise ProviderError(f'load_config={given}: expected an object for each device, as in {{"CPU": {{"NUM_STREAMS": "1"}}}}')
    return found
