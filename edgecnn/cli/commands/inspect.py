"""``edgecnn inspect``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edgecnn.cli.options import AdmissionOption, JsonOption, require_extra
from edgecnn.cli.output import as_json, nodes_by_provider, note, print_facts, print_json
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class InspectOptions(AdmissionOption, JsonOption):
    """Options of ``edgecnn inspect``."""

    model: Annotated[Path, Argument("Checkpoint or model file, or a model on a hub (hf://OWNER/NAME).")]
    ep: Annotated[str, Option("Execution provider whose share of the nodes is shown.")] = "cpu"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        InspectOptions,
        inspect,
        "edgecnn inspect model.onnx",
        "edgecnn inspect model.int8.onnx --ep openvino",
        "edgecnn inspect runs/train/1/weights/best.pt --json",
    )


def inspect(options: InspectOptions) -> None:
    """Show the manifest of a model file or checkpoint, and its operators, size and providers."""
    from edgecnn.runtime.session.model_file import is_checkpoint

    model = options.model
    found: dict[str, Any]
    if is_checkpoint(model):
        require_extra("inspecting a checkpoint")
        from edgecnn.training.inspect_checkpoint import inspect_checkpoint

        found = as_json(inspect_checkpoint(model))
    else:
        from edgecnn.runtime.analysis.inspect import inspect_model
        from edgecnn.runtime.analysis.int8_kernels import check_fusion
        from edgecnn.runtime.providers.registry import parse

        parse(options.ep)  # a name that does not exist is an error, a provider that is not here is told
        inspection = inspect_model(model)
        options.admit_models(model)
        found = as_json(inspection)
        found["fusion"] = as_json(check_fusion(model)) if inspection.quantized_nodes else None
        found |= _run_by(model, options.ep)
    if options.json:
        print_json(found)
        return
    from edgecnn.manifest import UNKNOWN_OFF

    manifest = found["manifest"]
    is_off = manifest["unknown"]["score"] == "max_probability" and manifest["unknown"]["threshold"] <= 0
    rows = [
        ("labels", ", ".join(manifest["labels"][:12]) + (" …" if len(manifest["labels"]) > 12 else "")),
        (
            "input, height x width",
            f"{manifest['input']['height']} x {manifest['input']['width']} {manifest['input']['color']}",
        ),
        *(
            (key, UNKNOWN_OFF if key == "unknown" and is_off else _value(manifest[key]))
            for key in ("preprocess", "normalization", "temperature", "unknown", "precision", "training", "created_by")
        ),
        *([("temporal", _value(manifest["temporal"]))] if manifest.get("temporal") else []),
        ("size", f"{found['size_bytes'] / 1e6:.2f} MB"),
        ("parameters, MACs", f"{_number(found['parameters'])}, {_number(found['macs'])}"),
        ("opset", _number(found["opset"])),
        (
            "operators",
            ", ".join(
                f"{count} {name}" for name, count in sorted(found["operators"].items(), key=lambda item: -item[1])
            ),
        ),
        ("int8, float nodes", f"{len(found['quantized_nodes'])}, {len(found['float_nodes'])}"),
        *([("int8 weights", f"{found['weight_bits']} bits")] if found["weight_bits"] else []),
        *([("runs on", nodes_by_provider(found["nodes"]))] if found.get("ep") else []),
        *_fusion(found.get("fusion")),
        ("SHA-256", found["sha256"]),
    ]
    print_facts(str(model), rows)


def _run_by(model: Path, ep: str) -> dict[str, Any]:
    """Which provider would run how many nodes here; a file that does not open is inspected all the same."""
    from edgecnn.errors import EdgeCNNError
    from edgecnn.runtime.session.opening import open_session

    try:
        session = open_session(model, ep)
    except EdgeCNNError as error:
        note(f"it does not open here: {error}")
        return {"ep": None, "nodes": None}
    return {"ep": session.ep, "nodes": None if session.nodes is None else dict(session.nodes)}


def _fusion(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What onnxruntime makes of an int8 file here; a row a node that is not as it was meant."""
    if found is None:
        return []
    faults = [(kind, fault) for kind in ("broken", "stray", "slow") for fault in found[kind]]
    return [
        ("runs in int8 here", f"{len(found['fused'])}"),
        *((kind, f"{f['node']} ({f['operator']}): {f['why']}") for kind, f in faults),
    ]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
