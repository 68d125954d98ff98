"""Model files for swaps: good ones that differ, and ten kinds of bad ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile_models import field, hostile_models
from serving.running import TINY

from edgecnn.manifest import GOLDEN_KEY, LABELS_KEY, MANIFEST_KEY
from edgecnn.runtime.admission.admission import admit_own
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile


def good(number: int) -> bytes:
    """The tiny model under another hash, one for each number."""
    return with_entry(TINY.read_bytes(), "variant", str(number))


def with_labels(*labels: str) -> bytes:
    """The tiny model with other names of its classes; in another order, each of its answers differs."""
    return edited(lambda model: _rename(model, labels))


def with_entry(content: bytes, key: str, value: str) -> bytes:
    return content + field(14, field(1, key) + field(2, value))


def edited(edit: Callable[[Any], None], *, with_data: bool = False) -> bytes:
    model = parse_model(TINY.read_bytes(), TINY, with_data=with_data)
    edit(model)
    return model.SerializeToString()


def entry_of(model: Any, key: str) -> Any:
    return next(entry for entry in model.metadata_props if entry.key == key)


def change_manifest(model: Any, change: Callable[[dict[str, Any]], None]) -> None:
    entry = entry_of(model, MANIFEST_KEY)
    manifest = json.loads(entry.value)
    change(manifest)
    entry.value = json.dumps(manifest)


def _rename(model: Any, labels: tuple[str, ...]) -> None:
    change_manifest(model, lambda manifest: manifest.update(labels=list(labels)))
    entry_of(model, LABELS_KEY).value = json.dumps(list(labels))


def _without(key: str) -> bytes:
    def remove(model: Any) -> None:
        model.metadata_props.remove(entry_of(model, key))

    return edited(remove)


def _changed_weights() -> bytes:
    def change(model: Any) -> None:
        weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        weight.raw_data = bytes(len(weight.raw_data))

    return edited(change, with_data=True)


def _external_data() -> bytes:
    def change(model: Any) -> None:
        model.graph.initializer[0].data_location = 1
        model.graph.initializer[0].external_data.append(field(1, "location") + field(2, "/etc/passwd"))

    return edited(change)


def _wrong_input() -> bytes:
    return edited(lambda model: change_manifest(model, lambda manifest: manifest["input"].update(height=48, width=48)))


def bad_models() -> dict[str, tuple[bytes, str]]:
    """By kind: the content, and words of the reason for which it is refused."""
    whole = TINY.read_bytes()
    hostile = hostile_models(whole)
    return {
        "empty": (b"", "is empty"),
        "text": (b"not a model\n" * 100, "not an ONNX file"),
        "truncated": (whole[: len(whole) // 2], "not an ONNX file"),
        "changed weights": (_changed_weights(), "golden samples fail"),
        "no manifest": (_without(MANIFEST_KEY), "without EdgeCNN's manifest"),
        "no golden samples": (_without(GOLDEN_KEY), "has no golden samples"),
        "impossible operator": (hostile["gemm-of-other-shapes"], "onnxruntime cannot load it"),
        "endless graph": (hostile["100000-nodes"], "100,001 nodes"),
        "external data": (_external_data(), "external data file"),
        "wrong input": (_wrong_input(), "48"),
        "wrong number of labels": (with_labels("a", "b", "c"), "3"),
    }


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def admitted(content: bytes) -> bytes:
    """The content of a good model, tried out before: its check starts no child process."""
    admit_own(ModelFile(Path("model.onnx"), content, sha256(content)))
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
