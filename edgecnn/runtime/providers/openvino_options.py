"""Options of the OpenVINO provider, for its plugin and for builds of onnxruntime that include it.

Both take OpenVINO's properties (upper-case names) as JSON by device, in the option ``load_config``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from edgecnn.errors import ProviderError
from edgecnn.plain_json import parse_json

__all__ = ["DEVICE_TYPE", "openvino_options"]

DEVICE_TYPE = "device_type"
_CONFIG = "load_config"


def openvino_options(
    asked: Mapping[str, str], device: str, threads: int, *, passed_on: Collection[str] | None = None
) -> dict[str, str]:
    """Builds the options for the provider.

    Args:
        asked: properties (upper-case names) for ``device``; ``load_config`` as JSON or a JSON file; other options of
            the provider, without the device.
        device: OpenVINO's device name: CPU, GPU, GPU.1, NPU.
        threads: CPU threads per inference.
        passed_on: the only other options that the provider reads; None: the provider refuses unknown options.

    Raises:
        ProviderError: unknown option (the provider would ignore it without a message), or unreadable configuration.
    """
    others = {name: value for name, value in asked.items() if name != _CONFIG and not name.isupper()}
    unknown = [name for name in others if passed_on is not None and name not in passed_on]
    if unknown:
        raise ProviderError(
            f"there is no option '{unknown[0]}', but {', '.join((DEVICE_TYPE, _CONFIG, *(passed_on or ())))}, and "
            "OpenVINO's own properties in "
            "capitals, as in INFERENCE_PRECISION_HINT=f32"
        )
    config = _read_config(asked[_CONFIG]) if _CONFIG in asked else {}
    properties = config.setdefault(device, {})
    properties |= {name: value for name, value in asked.items() if name.isupper()}
    if device == "CPU":
        properties.setdefault("INFERENCE_NUM_THREADS", str(threads))
        if (
            "EXECUTION_MODE_HINT" not in properties
        ):  # else the plugin takes bfloat16, where the processor has it: golden samples were off by 0.01
            properties.setdefault("INFERENCE_PRECISION_HINT", "f32")
    return {_CONFIG: json.dumps(config), **others}


def _read_config(given: str) -> dict[str, dict[str, Any]]:
    try:
        found = parse_json(given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProviderError(f"neither JSON nor a JSON file: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise ProviderError(
            f'{_CONFIG} must contain an object for each device, as in {{"CPU": {{"NUM_STREAMS": "1"}}}}'
        )
    return found
