"""The manifest: what is written is read, and what is wrong is refused by its key."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from edgecnn.errors import ManifestError
from edgecnn.manifest import SCHEMA, InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule

MANIFEST = Manifest(
    labels=("cat", "dog ☃", "größe"),
    input=InputSpec(224, 192),
    preprocess=PreprocessSpec("crop", "cubic", 0.875, 0),
    normalization=Normalization(128, 64.5),
    unknown=UnknownRule(threshold=0.62, false_reject_rate=0.05),
    training=TrainingRecord("efficientnet_lite0", "runs/train/3", "ab" * 32, 0.99, 7),
    created_by="edgecnn 0.1.0",
    precision="int8",
    temperature=1.31,
    ids=("n01", "n02", "n03"),
)
WRITTEN = json.loads(MANIFEST.to_json())
NULLABLE = {"ids", "training.val_top1", "training.seed"}


def paths(part: dict, prefix: str = "") -> Iterator[str]:
    """Every key of the manifest, those of its parts as `part.key`."""
    for key, value in part.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{key}.")


KEYS = tuple(paths(WRITTEN))
LEAVES = tuple(key for key in KEYS if not any(other.startswith(f"{key}.") for other in KEYS))


def found(key: str, root: dict = WRITTEN) -> object:
    for name in key.split("."):
        root = root[name]
    return root


def changed(key: str, value: object) -> str:
    """The manifest with one key's value replaced, as JSON."""
    root = copy.deepcopy(WRITTEN)
    *parents, last = key.split(".")
    part = root
    for name in parents:
        part = part[name]
    part[last] = value
    return json.dumps(root)


def without(key: str) -> str:
    root = copy.deepcopy(WRITTEN)
    *parents, last = key.split(".")
    part = root
    for name in parents:
        part = part[name]
    del part[last]
    return json.dumps(root)


def refusal(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read_back_equal() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


@pytest.mark.parametrize("key", ["labels", "ids"])
def test_a_class_that_utf_8_cannot_hold_is_refused(key: str) -> None:
    """Of a model that was served, each frame to be collected, and each line of a log, failed at such a label."""
    said = refusal(changed(key, ["\ud800", *MANIFEST.labels[1:]]))
    assert said.startswith(f'the manifest\'s {key} is ["\\ud800"')
    assert "expected strings that UTF-8 can hold; " in said


def test_a_run_whose_folder_is_no_utf_8_is_read_back_equal() -> None:
    manifest = MANIFEST.replace(training=replace(MANIFEST.training, run="caf\udce9"))
    assert Manifest.from_json(manifest.to_json().encode().decode()) == manifest


@pytest.mark.parametrize("end", ["\u0085", "\u2028", "\u2029"])
def test_an_end_of_a_line_that_json_allows_breaks_no_message(end: str) -> None:
    assert len(refusal(changed("labels", [f"a{end}b", 1])).splitlines()) == 1


@pytest.mark.parametrize("key", sorted(NULLABLE))
def test_what_may_be_unknown_is_read_back_as_none(key: str) -> None:
    read = json.loads(Manifest.from_json(changed(key, None)).to_json())
    assert found(key, read) is None


def test_the_keys_are_those_of_the_contract() -> None:
    assert set(KEYS) == {
        *("schema", "task", "labels", "ids", "temperature", "precision", "created_by"),
        *("input", "input.height", "input.width", "input.color"),
        *(
            "preprocess",
            "preprocess.resize",
            "preprocess.interpolation",
            "preprocess.crop_fraction",
            "preprocess.pad_value",
            "preprocess.decode",
        ),
        *("normalization", "normalization.zero_point", "normalization.scale"),
        *("unknown", "unknown.score", "unknown.threshold", "unknown.false_reject_rate"),
        *("training", "training.model", "training.run", "training.data_sha256", "training.val_top1", "training.seed"),
    }


def test_labels_stay_readable_in_the_file() -> None:
    assert "dog ☃" in MANIFEST.to_json()


@pytest.mark.parametrize("key", [key for key in KEYS if key != "preprocess.decode"])
def test_a_missing_key_is_named(key: str) -> None:
    assert f"lacks the key {key};" in refusal(without(key))


@pytest.mark.parametrize("text", [without("preprocess.decode"), changed("preprocess.decode", None)])
def test_a_file_that_does_not_say_how_jpegs_are_decoded_sees_them_whole(text: str) -> None:
    assert Manifest.from_json(text).preprocess.decode == "full"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value",
    [True, [1], {"other": 1}, "nonsense", 0.5, None],
    ids=["bool", "list", "object", "text", "fraction", "null"],
)
def test_a_value_of_the_wrong_kind_is_named_with_what_it_is(key: str, value: object) -> None:
    right = found(key)
    free_text = key in {"training.model", "training.run", "training.data_sha256", "created_by"}
    number = isinstance(right, float)
    if key == "preprocess.decode" and value is None:
        return  # the same as if it were missing
    if (value is None and key in NULLABLE) or (value == "nonsense" and free_text) or (value == 0.5 and number):
        assert found(key, json.loads(Manifest.from_json(changed(key, value)).to_json())) == value
    elif value == {"other": 1} and isinstance(right, dict):
        assert f"lacks the key {key}." in refusal(changed(key, value))
    else:
        message = refusal(changed(key, value))
        assert f"the manifest's {key} is {json.dumps(value)}" in message
        assert "expected" in message


@pytest.mark.parametrize("key", [key for key in LEAVES if isinstance(found(key), float)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(key: str, value: float) -> None:
    assert f"{key} is " in refusal(changed(key, value))


@pytest.mark.parametrize("key", [key for key in LEAVES if isinstance(found(key), float | int) and key != "schema"])
def test_a_whole_number_too_long_for_a_float_is_named(key: str) -> None:
    assert key in refusal(changed(key, 10**400))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input.height", 0),
        ("input.width", -1),
        ("preprocess.crop_fraction", 0),
        ("preprocess.crop_fraction", 1.01),
        ("preprocess.pad_value", -1),
        ("preprocess.pad_value", 256),
        ("normalization.zero_point", 256),
        ("normalization.zero_point", -1),
        ("normalization.scale", 0),
        ("temperature", 0),
        ("temperature", -1.0),
        ("unknown.false_reject_rate", 1.5),
        ("unknown.false_reject_rate", -0.1),
        ("training.val_top1", 99.0),
        ("training.val_top1", -0.1),
        ("labels", []),
        ("labels", ["only one"]),
        ("labels", ["cat", "", "dog"]),
        ("labels", ["cat", None, "dog"]),
        ("ids", []),
        ("ids", ["n01", "n02"]),
        ("ids", ["n01", "n02", "n02"]),
        ("ids", ["n01", "n02", "n03", "n04"]),
    ],
)
def test_a_value_out_of_its_range_is_named(key: str, value: object) -> None:
    assert f"the manifest's {key} is {json.dumps(value)}" in refusal(changed(key, value))


@pytest.mark.parametrize(
    ("schema", "remedy"),
    [(0, "export"), (SCHEMA + 1, "update EdgeCNN"), (99, "update EdgeCNN")],
)
def test_another_schema_version_is_refused_with_what_to_do(schema: int, remedy: str) -> None:
    message = refusal(changed("schema", schema))
    assert str(schema) in message
    assert remedy in message


def test_labels_may_repeat_only_where_ids_tell_them_apart() -> None:
    repeated = json.loads(changed("labels", ["crane", "crane", "dog"]))
    assert Manifest.from_json(json.dumps(repeated)).labels == ("crane", "crane", "dog")
    assert "labels" in refusal(json.dumps({**repeated, "ids": None}))


@pytest.mark.parametrize("part", ["", "input", "preprocess", "normalization", "unknown", "training"])
def test_keys_of_a_later_writer_are_ignored(part: str) -> None:
    root = copy.deepcopy(WRITTEN)
    (root[part] if part else root)["of a later day"] = {"any": ["thing", None]}
    assert Manifest.from_json(json.dumps(root)) == MANIFEST


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"text"', "12", "{'schema': 1}", "\0", "1" * 5000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    assert "JSON" in refusal(text)


def test_json_nested_without_end_is_refused() -> None:
    assert "JSON" in refusal("[" * 100_000)


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(refusal(changed("training.seed", "x" * 10_000))) < 300


def test_a_folder_stands_for_an_id_where_there_are_ids_and_else_for_a_label() -> None:
    swapped = MANIFEST.replace(labels=("a", "b", "c"), ids=("c", "a", "x"))
    assert [swapped.index_of(name) for name in ("c", "a", "x", "b", "nobody")] == [0, 1, 2, 1, None]
    assert MANIFEST.replace(ids=None).index_of("größe") == 2


def test_a_copy_with_changes_leaves_the_original() -> None:
    assert MANIFEST.replace(precision="fp32").precision == "fp32"
    assert MANIFEST.precision == "int8"
