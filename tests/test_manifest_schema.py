"""The published schema and the program agree on what a manifest is."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from edgecnn.errors import ManifestError
from edgecnn.manifest import Manifest
from edgecnn.runtime.analysis.inspect import inspect_model

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "manifest.schema.json").read_text())
TEMPORAL = {
    "kind": "gru",
    "state_size": 128,
    "stride": 3,
    "frame_interval_s": 0.1,
    "trained_lengths": [4, 20],
}


@pytest.fixture
def manifest(tiny_int8_model: Path) -> dict:
    return dict(inspect_model(tiny_int8_model).manifest)


def test_what_the_program_writes_is_valid(manifest: dict) -> None:
    jsonschema.validate(manifest, SCHEMA)
    jsonschema.validate(json.loads(Manifest.from_json(json.dumps(manifest)).to_json()), SCHEMA)
    recurrent = json.loads(Manifest.from_json(json.dumps({**manifest, "temporal": TEMPORAL})).to_json())
    assert recurrent["temporal"] == TEMPORAL
    jsonschema.validate(recurrent, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("labels",), ["one"]),
        (("labels",), [1, 2]),
        (("input", "height"), 0),
        (("input", "color"), "BGR"),
        (("preprocess", "resize"), "squeeze"),
        (("preprocess", "crop_fraction"), 0),
        (("preprocess", "pad_value"), 256),
        (("normalization", "zero_point"), 127.5),
        (("normalization", "scale"), 0),
        (("temperature",), 0),
        (("unknown", "false_reject_rate"), 1.5),
        (("precision",), "int4"),
        (("training", "val_top1"), "high"),
        (("created_by",), None),
        (("temporal", "kind"), "rnn"),
        (("temporal", "state_size"), 0),
        (("temporal", "stride"), 0.5),
        (("temporal", "stride"), 10**30),
        (("temporal", "frame_interval_s"), 0),
        (("temporal", "frame_interval_s"), 1e-9),  # a frame after a second would take 10**9 steps
        (("temporal", "frame_interval_s"), 1e200),
        (("temporal", "trained_lengths"), [1]),
        (("temporal", "trained_lengths"), [0, 5]),
    ],
)
def test_what_the_schema_refuses_the_program_refuses_too(manifest: dict, path: tuple[str, ...], value: object) -> None:
    changed = copy.deepcopy(manifest)
    changed["temporal"] = dict(TEMPORAL)
    jsonschema.validate(changed, SCHEMA)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, SCHEMA)
    with pytest.raises(ManifestError, match=path[-1]):
        Manifest.from_json(json.dumps(changed))


def test_a_missing_key_is_refused_by_both(manifest: dict) -> None:
    for key in SCHEMA["required"]:
        changed = {k: v for k, v in manifest.items() if k != key}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed, SCHEMA)
        with pytest.raises(ManifestError, match=key):
            Manifest.from_json(json.dumps(changed))
