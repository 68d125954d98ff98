"""docs/manifest.md: the keys of the manifest, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"

HEAD = """# The manifest

A model file says of itself how an image becomes an answer: one JSON object in the ONNX metadata key `edgecnn`.
`edgecnn inspect model.onnx --json` prints it as `manifest`. Training's validation, calibration, verification and the
device read the same object ([decision 001](decisions/001-one-preprocessing.md)).

`scripts/make_reference.py` writes this page from the [JSON Schema](manifest.schema.json) of schema version 1; a test
compares them. Keys that are not listed are ignored. A missing key is an error, unless it is marked optional.

| key | value | |
| --- | --- | --- |
"""

TAIL = """
The graph beside it, and the other metadata keys:

| name | what it is |
| --- | --- |
| input `image` | uint8 `[N, height, width, 3]`, RGB: the pixels as decoded and resized; the graph normalizes them |
| output `probabilities` | float32 `[N, C]`, in the order of `labels`; each row sums to 1 |
| output `embedding` | float32 `[N, D]`: the features, where the network gives them |
| output `unknown_score` | float32 `[N]`, where `unknown.score` is not `max_probability` |
| metadata `labels` | the labels as a JSON list, for other tools |
| metadata `edgecnn.golden` | golden samples: images, the answers of the machine that exported, and the tolerance |
| metadata `edgecnn.classes` | how the features of each class are spread, for [teach](teach.md) |
| metadata `edgecnn.taught` | the images that the model was taught, for [why](why.md) |

A recurrent model has two files with more inputs and outputs ([clips](clips.md#export)).
"""


def manifest_page() -> str:
    """The whole page."""
    return HEAD + "\n".join(_rows(json.loads(SCHEMA.read_text()), "")) + "\n" + TAIL


def _rows(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, part in schema["properties"].items():
        name = f"{prefix}{key}"
        told = part.get("description", "")
        optional = key not in schema["required"] and "Optional" not in told
        note = f"{'Optional. ' if optional else ''}{told}".strip()
        yield f"| `{name}` | {_value(part)} | {_cell(note)} |"
        if "properties" in part:
            yield from _rows(part, f"{name}.")


def _value(part: Mapping[str, Any]) -> str:
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    if "oneOf" in part:
        return " or ".join(_value(one) for one in part["oneOf"])
    if part["type"] == "array":
        return f"list of {_count(part)}{part['items']['type']}s{_range(part['items'])}"
    return str(part["type"]) + _range(part)


def _count(part: Mapping[str, Any]) -> str:
    least = part.get("minItems")
    if least is None:
        return ""
    return f"{least} " if least == part.get("maxItems") else f"at least {least} "


def _range(part: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in part:
        return f" above {part['exclusiveMinimum']}"
    if "minimum" in part and "maximum" in part:
        return f", {part['minimum']} to {part['maximum']}"
    return f", at least {part['minimum']}" if "minimum" in part else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
