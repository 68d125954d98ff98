"""What other programs are told of an open model."""

from __future__ import annotations

from typing import Any

from edgecnn.plain_json import as_json
from edgecnn.serving.engine.served_model import LoadedModel

__all__ = ["model_record"]


def model_record(loaded: LoadedModel) -> dict[str, Any]:
    """Hash, file name, labels, precision, provider, input and time of opening."""
    session, manifest = loaded.classifier.session, loaded.classifier.manifest
    return {
        "sha256": loaded.sha256,
        "file": loaded.file.name,
        "size_bytes": session.size_bytes,
        "labels": loaded.labels,
        "precision": manifest.precision,
        "ep": session.ep,
        "input": as_json(manifest.input),
        "loaded_at": loaded.loaded_at,
    }
