"""Writes the model file of a taught model: checked against the fitted head, with golden samples of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.atomic import write_bytes
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import ModelError
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.features.linear_head import log_softmax
from edgecnn.features.taught_images import TaughtImages
from edgecnn.manifest import CLASSES_KEY, GOLDEN_KEY, LABELS_KEY, MANIFEST_KEY, SPLIT_KEY, TAUGHT_KEY, Manifest
from edgecnn.plain_json import json_text
from edgecnn.preprocess import Image
from edgecnn.runtime.admission.admission import admit_own
from edgecnn.runtime.golden.choice import choose, synthetic_images
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching.head.head_graph import NewHead, with_head

__all__ = ["TaughtModel", "write_taught"]

_OURS = (MANIFEST_KEY, LABELS_KEY, SPLIT_KEY, GOLDEN_KEY, CLASSES_KEY, TAUGHT_KEY)
_LARGEST_DIFFERENCE = 1e-3  # of a probability: the file's against the fitted head's


@dataclass(frozen=True, eq=False)
class TaughtModel:
    """What is written."""

    before: ModelFile
    new: NewHead
    manifest: Manifest
    record: SplitRecord
    statistics: ClassStatistics | None
    images: TaughtImages | None


def write_taught(taught: TaughtModel, path: Path) -> ModelFile:
    """Writes a taught model as a whole, or not at all.

    Raises:
        ModelError: the file does not compute what was fitted.
        OutputError: it cannot be written.
    """
    session = _open(taught, path, None)
    images = synthetic_images(taught.manifest.input.height, taught.manifest.input.width)
    _check(taught, session, images, path)
    golden = choose(session, images, taught.manifest.precision)
    file = _file(taught, path, golden)
    admit_own(file)
    write_bytes(path, file.content)
    return file


def _open(taught: TaughtModel, path: Path, golden: GoldenSamples | None) -> ModelSession:
    return open_session(_file(taught, path, golden), "cpu", trusted=True)


def _file(taught: TaughtModel, path: Path, golden: GoldenSamples | None) -> ModelFile:
    ours = {
        MANIFEST_KEY: taught.manifest.to_json(),
        LABELS_KEY: json_text(list(taught.manifest.labels)),
        SPLIT_KEY: taught.record.to_json(),
        GOLDEN_KEY: None if golden is None else golden.to_json(),
        CLASSES_KEY: None if taught.statistics is None else taught.statistics.to_json(),
        TAUGHT_KEY: None if taught.images is None else taught.images.to_json(),
    }
    before = parse_model(taught.before.content, taught.before.path).metadata_props
    kept = [(entry.key, entry.value) for entry in before if entry.key not in _OURS]
    metadata = [*kept, *((key, value) for key, value in ours.items() if value is not None)]
    content = with_head(taught.before, taught.new, metadata)
    return ModelFile(path, content, hashlib.sha256(content).hexdigest())


def _check(taught: TaughtModel, session: ModelSession, images: Image, path: Path) -> None:
    """Compares the outputs of the file with what was fitted."""
    outputs = session.outputs(images)
    assert outputs.embedding is not None
    expected = np.exp(log_softmax(taught.new.head.logits(outputs.embedding) / taught.new.temperature))
    difference = float(np.abs(expected - outputs.probabilities).max())
    if not difference <= _LARGEST_DIFFERENCE:
        raise ModelError(
            f"{path}: the taught classifier computes other probabilities in the file (by {difference:.2g}); not "
            "written; please report this model as a bug"
        )
