"""Writes the metadata (manifest, training record, golden samples) into an ONNX model, and the model to a file."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from edgecnn.data.split_record import SplitRecord
from edgecnn.manifest import GOLDEN_KEY, LABELS_KEY, MANIFEST_KEY, SPLIT_KEY, Manifest
from edgecnn.plain_json import json_text
from edgecnn.runtime.golden.samples import GoldenSamples

__all__ = ["describe", "write_unchecked"]


def describe(model: ModelProto, manifest: Manifest, record: SplitRecord | None, golden: GoldenSamples | None) -> None:
    """Sets EdgeCNN's metadata keys. Keeps the keys of other tools."""
    ours = {
        MANIFEST_KEY: manifest.to_json(),
        LABELS_KEY: json_text(list(manifest.labels)),
        SPLIT_KEY: record.to_json() if record else None,
        GOLDEN_KEY: golden.to_json() if golden else None,
    }
    kept = {p.key: p.value for p in model.metadata_props if p.key not in ours}
    onnx.helper.set_model_props(model, kept | {key: value for key, value in ours.items() if value is not None})


def write_unchecked(model: ModelProto, path: Path) -> None:
    """Checks a model with the full onnx.checker and writes it as one file."""
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
