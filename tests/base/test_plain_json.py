"""Results become the values that JSON has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.plain_json import as_json, json_text


@dataclass(frozen=True)
class Inner:
    float_: float


@dataclass(frozen=True)
class Empty:
    pass


@dataclass(frozen=True)
class Result:
    name: str
    path: Path
    inner: Inner
    many: tuple[Inner, ...]
    by_name: dict[str, Any] = field(default_factory=dict)


def test_dataclasses_are_objects_and_a_trailing_underscore_goes() -> None:
    result = Result("a", Path("b/c"), Inner(1.5), (Inner(2.0), Inner(float("nan"))), {"x": {1}, "y": Empty()})
    assert as_json(result) == {
        "name": "a",
        "path": "b/c",
        "inner": {"float": 1.5},
        "many": [{"float": 2.0}, {"float": None}],
        "by_name": {"x": [1], "y": {}},
    }


def test_no_number_is_one_that_json_lacks() -> None:
    values = [float("inf"), -float("inf"), float("nan"), np.float64("nan"), np.float64(0.5), True, None, 3]
    assert json.loads(json.dumps(as_json(values), allow_nan=False)) == [None, None, None, None, 0.5, True, None, 3]


def test_letters_stand_as_they_are_and_half_a_surrogate_pair_stays_an_escape() -> None:
    assert json_text(["Rüttler", "猫"]) == '["Rüttler", "猫"]'
    text = json_text(["猫\ud800"])
    assert json.loads(text.encode().decode()) == ["猫\ud800"]
