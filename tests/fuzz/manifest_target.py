"""The manifest of a model file: text of its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fuzz.promises import Look, Outcome, require, require_line

from edgecnn.errors import ManifestError
from edgecnn.manifest import Manifest

LONGEST = 4096
_KEYS = (
    "schema", "task", "labels", "ids", "input", "height", "width", "color", "preprocess", "resize", "interpolation",
    "crop_fraction", "pad_value", "decode", "normalization", "zero_point", "scale", "temperature", "unknown", "score",
    "threshold", "false_reject_rate", "precision", "training", "model", "run", "data_sha256", "val_top1", "seed",
    "created_by", "opencv", "temporal", "kind", "state_size", "stride", "frame_interval_s", "trained_lengths", "taught",
    "from_sha256", "images", "cv_top1", "cv_interval", "classification", "RGB", "scaled", "letterbox", "antialias",
    "feature_distance", "energy", "lstm",
)  # fmt: skip
WORDS = (
    *(f'"{key}"'.encode() for key in _KEYS), b"null", b"true", b"NaN", b"-Infinity", b"1e308", b"1e-320", b"\\ud800",
    b"\\u2028", b"[[[[[[[[", b"]]]]]]]]", b"{}", b'": [', b"99999999999999999999", b"-0.0",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Look]:
    yield _look


def _look(data: bytes) -> Outcome:
    try:
        manifest = Manifest.from_json(data.decode("utf-8", "replace"))
    except ManifestError as error:
        require_line(str(error))
        return "refused"
    again = manifest.to_json()
    again.encode()  # as it is written into a file
    require(Manifest.from_json(again) == manifest, "it does not come back equal")
    require(manifest.index_of((manifest.ids or manifest.labels)[-1]) == len(manifest.labels) - 1, "a class is lost")
    return "accepted"
