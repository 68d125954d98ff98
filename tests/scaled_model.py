"""A model file that sees JPEGs decoded smaller, made of another one, where onnx may not be installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgecnn.manifest import GOLDEN_KEY, MANIFEST_KEY, Manifest
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.proto import parse_model

__all__ = ["scaled_model", "with_golden"]


def scaled_model(model: Path, to: Path, **preprocess: object) -> Path:
    """The same network, whose manifest says ``scaled``, with other fields of its preprocessing where they are given."""

    def scaled(text: str) -> str:
        manifest = Manifest.from_json(text)
        spec = replace(manifest.preprocess, decode="scaled", **preprocess)  # type: ignore[arg-type]
        return manifest.replace(preprocess=spec).to_json()

    return _with(model, to, MANIFEST_KEY, scaled)


def with_golden(model: Path, golden: GoldenSamples, to: Path) -> Path:
    """The same file with other golden samples."""
    return _with(model, to, GOLDEN_KEY, lambda _: golden.to_json())


def _with(model: Path, to: Path, key: str, change: Callable[[str], str]) -> Path:
    proto = parse_model(model.read_bytes(), model, with_data=True)
    [entry] = [entry for entry in proto.metadata_props if entry.key == key]
    entry.value = change(entry.value)
    to.write_bytes(proto.SerializeToString())
    return to
