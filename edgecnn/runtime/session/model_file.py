"""Reads a model file and checks the graph against the manifest."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import InputNotFoundError, ManifestError, ModelError
from edgecnn.manifest import CLASSES_KEY, GOLDEN_KEY, LABELS_KEY, MANIFEST_KEY, SPLIT_KEY, TAUGHT_KEY, Manifest
from edgecnn.runtime.onnx_file.graph_form import GraphForm, check_graph

if TYPE_CHECKING:
    from edgecnn.runtime.golden.samples import GoldenSamples

__all__ = [
    "Description",
    "ModelFile",
    "check_same",
    "check_session",
    "is_checkpoint",
    "local_path",
    "read_model_file",
]

_ON_A_HUB = ("hf:/", "hf:\\")  # a path loses the second slash; on Windows it has backslashes
_MAX_BYTES = 2**31 - 1  # protobuf's own limit


@dataclass(frozen=True)
class ModelFile:
    """The bytes of a model file, and their SHA-256, which every prediction reports."""

    path: Path
    content: bytes
    sha256: str


def local_path(model: str | os.PathLike[str]) -> Path:
    """The path of a model file; one on a hub (``hf://OWNER/NAME``) is fetched first.

    Raises as :func:`edgecnn.runtime.session.model_hub.fetched`.
    """
    if not os.fspath(model).startswith(_ON_A_HUB):
        return Path(model)
    # Not at the top: files on this machine start without it
    from edgecnn.runtime.session.model_hub import fetched  # noqa: PLC0415

    return fetched(model)


def read_model_file(path: str | Path) -> ModelFile:
    """Reads a model file once, so that the hashed bytes are the ones that run.

    Raises:
        InputNotFoundError: the file does not exist.
        ModelError: the path is a folder, a device or a pipe, or the file cannot be read.
        UsageError, MissingExtraError: of an address on a hub, see :func:`local_path`.
    """
    path = local_path(path)
    try:
        _check_size(path)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such model file; check the path") from error
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror}; give a .onnx file that `edgecnn export` wrote"
        ) from error
    return ModelFile(path, content, hashlib.sha256(content).hexdigest())


def check_same(model: ModelFile, sha256: str) -> None:
    """That the file is the one with this hash. Raises :class:`ModelError`."""
    if model.sha256 != sha256:
        raise ModelError(
            f"{model.path}: changed since the classifier was opened (SHA-256 {sha256[:12]}… then, "
            f"{model.sha256[:12]}… now); open a new classifier"
        )


def _check_size(path: Path) -> None:
    """Checks type and size before reading: a device or pipe may be endless, and a sparse file can be huge."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):  # reading a folder says so itself
        raise ModelError(f"{path}: is a device or a pipe, not a file; give a .onnx file that `edgecnn export` wrote")
    if found.st_size > _MAX_BYTES:
        raise ModelError(
            f"{path}: {found.st_size / 1e9:.1f} GB is more than an ONNX file can have; give a .onnx file that `edgecnn "
            "export` wrote"
        )


def is_checkpoint(path: Path) -> bool:
    """Whether the file is a torch checkpoint (a zip archive; an ONNX file never is). False if it does not exist."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


@dataclass(frozen=True)
class Description:
    """The metadata of a session: manifest, training record and golden samples."""

    path: Path
    manifest: Manifest
    split_record: SplitRecord | None
    golden_json: str | None  # decoded only where it is replayed
    form: GraphForm = "image"
    classes_json: str | None = None  # statistics of the classes, see edgecnn.features.class_statistics
    taught_json: str | None = None  # the taught images, see edgecnn.features.taught_images

    def golden(self) -> GoldenSamples | None:
        """Returns the golden samples; None if the file has none.

        Raises:
            ManifestError: they are invalid, or those of a recurrent model prove no state.
        """
        if self.golden_json is None:
            return None
        # Not at the top: a model that is known here starts without it
        from edgecnn.runtime.golden.samples import GoldenSamples  # noqa: PLC0415

        try:
            golden = GoldenSamples.from_json(self.golden_json)
        except ManifestError as error:
            raise ManifestError(f"{self.path}: {error}") from error
        if self.form != "image" and not golden.chained:
            raise ManifestError(
                f"{self.path}: the golden samples are single images, which cannot prove the state of a recurrent "
                "model; export the model again"
            )
        return golden


def check_session(path: Path, session: onnxruntime.InferenceSession) -> Description:
    """Reads the manifest and compares the inputs and outputs of the graph with it.

    Raises:
        ManifestError: the manifest is missing or invalid, or contradicts the graph. The message names the file.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    if MANIFEST_KEY not in metadata:
        raise ManifestError(
            f"{path}: an ONNX file without EdgeCNN's manifest; `edgecnn export` writes it, `edgecnn adopt` adds it"
        )
    try:
        manifest = Manifest.from_json(metadata[MANIFEST_KEY])
        record = SplitRecord.from_json(metadata[SPLIT_KEY]) if SPLIT_KEY in metadata else None
        _check_labels(manifest, metadata.get(LABELS_KEY))
        form = check_graph(manifest, session)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    others = (metadata.get(key) for key in (CLASSES_KEY, TAUGHT_KEY))
    return Description(path, manifest, record, metadata.get(GOLDEN_KEY), form, *others)


def _check_labels(manifest: Manifest, labels_json: str | None) -> None:
    """Checks that the metadata key `labels`, which is for other tools, has the labels of the manifest."""
    if labels_json is None:
        raise ManifestError(f"the metadata key '{LABELS_KEY}' is missing; export the model again")
    try:
        labels = json.loads(labels_json)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the metadata key '{LABELS_KEY}' is not valid JSON; export the model again") from error
    if labels != list(manifest.labels):
        found = len(labels) if isinstance(labels, list) else 0
        raise ManifestError(
            f"the {len(manifest.labels)} labels of the manifest differ from the {found} of the metadata key "
            f"'{LABELS_KEY}' (different labels or order); export the model again"
        )
