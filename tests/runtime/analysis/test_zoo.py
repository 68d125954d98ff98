"""A zoo is timed on a small device: one file at a time is in memory."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import ModelError
from edgecnn.manifest import GOLDEN_KEY, MANIFEST_KEY, InputSpec, Manifest
from edgecnn.progress import Silent
from edgecnn.runtime.analysis import zoo
from edgecnn.runtime.analysis.zoo import ZOO_KEY, ZooResult, benchmark_zoo
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.run_options import RunOptions


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """Four networks for images of 48 pixels; the last one takes no others."""
    for name in "abcd":
        model = parse_model(tiny_model.read_bytes(), tiny_model, with_data=True)
        for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
            dimension.dim_value = 48
        metadata = {entry.key: entry.value for entry in model.metadata_props if entry.key != GOLDEN_KEY}
        manifest = Manifest.from_json(metadata[MANIFEST_KEY]).replace(input=InputSpec(48, 48))
        mark = {"model": name, "pruned": 0.0, "one_size": name == "d"}
        del model.metadata_props[:]
        for key, value in (metadata | {MANIFEST_KEY: manifest.to_json(), ZOO_KEY: json.dumps(mark)}).items():
            model.metadata_props.add(key=key, value=value)
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    return tmp_path


def timed(folder: Path) -> ZooResult:
    return benchmark_zoo(folder, "cpu", RunOptions(threads=1), Silent().stage(""))


def test_one_file_at_a_time_is_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[weakref.ref[ModelFile]] = []
    counts = []

    def seen(make: Callable[..., ModelFile]) -> Callable[..., ModelFile]:
        def made(*arguments: Any) -> ModelFile:
            file = make(*arguments)
            files.append(weakref.ref(file))
            return file

        return made

    def note(*_arguments: object) -> float:
        counts.append(sum(file() is not None for file in files))
        return 1.0

    for maker in ("read_model_file", "_resized"):
        monkeypatch.setattr(zoo, maker, seen(getattr(zoo, maker)))
    monkeypatch.setattr(zoo, "_time", note)
    found = timed(folder)
    sizes = [(name, side) for name in "abc" for side in (32, 48)]
    assert [(each.model, each.imgsz) for each in found.timings] == [*sizes, ("d", 48)]
    assert max(counts) == 1


def test_a_mark_that_is_none_is_refused(folder: Path) -> None:
    path = folder / "b.onnx"
    model = parse_model(path.read_bytes(), path, with_data=True)
    mark = next(entry for entry in model.metadata_props if entry.key == ZOO_KEY)
    mark.value = json.dumps({"model": "b", "pruned": 10**400, "one_size": False})
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"b\.onnx: is not a file of a zoo"):
        timed(folder)


def test_a_file_that_changes_while_it_is_timed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(*_arguments: object) -> float:
        (folder / "d.onnx").write_bytes((folder / "a.onnx").read_bytes())
        return 1.0

    monkeypatch.setattr(zoo, "_time", change)
    with pytest.raises(ModelError, match=r"d\.onnx: has changed since the benchmark began; run it again"):
        timed(folder)
