"""Any manifest that the schema takes opens, or is refused in one line; and none opens that the schema refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from properties import examples, hypothesis, strategies

from edgecnn.errors import ManifestError
from edgecnn.manifest import Manifest

jsonschema = pytest.importorskip("jsonschema", reason="holds manifests against the schema")

VALID = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "manifest.schema.json").read_text())
)
TEXT = strategies.text(max_size=8)
LABEL = strategies.text(min_size=1, max_size=8)  # lone surrogates and line ends too: JSON has escapes for them
FRACTION = strategies.floats(0, 1)
SHARE = strategies.floats(0.1, 1)
POSITIVE = strategies.floats(1e-300, 1e299)
COUNT = strategies.integers(1, 2**70)


def an_object(**fields: Any) -> Any:
    return strategies.fixed_dictionaries(fields)


TEMPORAL = an_object(
    kind=strategies.sampled_from(("gru", "lstm")),
    state_size=strategies.integers(1, 2**20),
    stride=strategies.integers(1, 10**12),
    frame_interval_s=strategies.floats(0.001, 1e6),
    trained_lengths=strategies.lists(COUNT, min_size=2, max_size=2).map(sorted),
)
TAUGHT = an_object(
    from_sha256=TEXT,
    images=COUNT,
    labels=strategies.lists(LABEL, max_size=3),
    cv_top1=FRACTION,
    cv_interval=strategies.lists(FRACTION, min_size=2, max_size=2),
)
MANIFESTS = strategies.fixed_dictionaries(
    {
        "schema": strategies.just(1),
        "task": strategies.just("classification"),
        "labels": strategies.lists(LABEL, min_size=2, max_size=4, unique=True),
        "ids": strategies.none(),
        "input": an_object(height=COUNT, width=COUNT, color=strategies.just("RGB")),
        "preprocess": an_object(
            resize=strategies.sampled_from(("stretch", "crop", "letterbox")),
            interpolation=strategies.sampled_from(("area", "linear", "cubic", "nearest", "antialias")),
            crop_fraction=SHARE,
            pad_value=strategies.integers(0, 255),
            decode=strategies.sampled_from(("full", "scaled")),
        ),
        "normalization": an_object(zero_point=strategies.integers(0, 255), scale=POSITIVE),
        "temperature": POSITIVE,
        "unknown": an_object(
            score=strategies.sampled_from(("max_probability", "energy", "feature_distance")),
            threshold=strategies.floats(-1e299, 1e299),
            false_reject_rate=FRACTION,
        ),
        "precision": strategies.sampled_from(("fp32", "fp16", "int8", "mixed")),
        "training": an_object(
            model=TEXT,
            run=TEXT,
            data_sha256=TEXT,
            val_top1=strategies.none() | FRACTION,
            seed=strategies.none() | strategies.integers(-(2**70), 2**70),
        ),
        "created_by": TEXT,
    },
    optional={"opencv": TEXT, "temporal": TEMPORAL, "taught": TAUGHT},
)
ANY_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | TEXT,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


@examples(15)
@hypothesis.given(found=MANIFESTS)
def test_what_the_schema_takes_opens_and_comes_back_equal(found: dict[str, Any]) -> None:
    VALID.validate(found)
    manifest = Manifest.from_json(json.dumps(found))
    again = json.loads(manifest.to_json())
    VALID.validate(again)
    assert again == found
    assert Manifest.from_json(manifest.to_json()) == manifest


@examples(30)
@hypothesis.given(found=MANIFESTS, value=ANY_JSON, data=strategies.data())
def test_with_any_value_anywhere_it_opens_as_the_schema_takes_it_or_is_refused_in_one_line(
    found: dict[str, Any], value: object, data: Any
) -> None:
    parts = [part for part in found.values() if isinstance(part, dict)]
    place = data.draw(strategies.sampled_from([found, *parts]))
    place[data.draw(strategies.sampled_from(sorted(place)))] = value
    try:
        manifest = Manifest.from_json(json.dumps(found))
    except ManifestError as error:
        assert "\n" not in str(error)  # noqa: PT017  # it may open
    else:
        VALID.validate(json.loads(manifest.to_json()))


@pytest.mark.parametrize("key", ["schema", "labels"])
def test_a_value_nested_as_deep_as_json_is_read_is_refused_in_one_line(key: str) -> None:
    """Reading it needs a little less of the stack than showing it, at some depth below the limit."""
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit()):
        with pytest.raises(ManifestError) as caught:
            Manifest.from_json('{"schema": 1, "%s": %s1%s}' % (key, "[" * depth, "]" * depth))  # noqa: UP031
        assert "\n" not in str(caught.value)
