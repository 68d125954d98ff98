"""Writes a float model file after comparing it with its source, and reports it. For export and adopt."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from edgecnn.atomic import atomic_path
from edgecnn.data.left_out import Reason
from edgecnn.data.loading import Skipped
from edgecnn.data.split_record import SplitRecord
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.runtime.admission.admission import admit_own
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.tensor_info import TensorInfo, tensor_infos
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters.graph.metadata import describe, write_unchecked
from exporters.temporary_names import naming

__all__ = ["ExportResult", "Parity", "compare", "write_examined"]

_BATCH = 32  # images compared at once


@dataclass(frozen=True)
class Parity:
    """The model file against torch, on the same images."""

    images: int
    image_source: str  # which they were
    max_abs_diff: float  # of a probability
    top1_agreement: float
    unknown_max_diff: float | None = (
        None  # of an unknown score, relative where it is larger than 1; None where the graph gives none
    )
    unit: Literal["images", "steps"] = "images"  # what ``images`` counts; steps: of the clips of a recurrent model


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What ``edgecnn export`` reports; keys as in the contract."""

    file: str
    sha256: str
    size_bytes: int
    opset: int
    ir_version: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    parity: Parity
    seconds: float
    notes: tuple[str, ...] = ()  # what an adoption found out about the file
    data_images: int = 0  # images of --data that an adoption compared on
    left_out: Mapping[Reason, int] = field(default_factory=dict)  # files of --data that are not images, by reason
    skipped: tuple[Skipped, ...] = ()  # images of --data that cannot be read

    @classmethod
    def of(cls, path: Path, written: ModelFile, model: onnx.ModelProto, parity: Parity, seconds: float) -> ExportResult:
        """Creates the report of a written file.

        Args:
            path: where it lies now.
            written: its bytes.
            model: the same as a graph.
            parity: how near its answers are to the original's.
            seconds: how long it took.
        """
        return cls(
            file=str(path),
            sha256=written.sha256,
            size_bytes=len(written.content),
            opset=model.opset_import[0].version,
            ir_version=model.ir_version,
            inputs=tensor_infos(model.graph.input),
            outputs=tensor_infos(model.graph.output),
            parity=parity,
            seconds=seconds,
        )


def write_examined(
    model: ModelProto,
    path: Path,
    manifest: Manifest,
    record: SplitRecord | None,
    examine: Callable[[ModelSession], tuple[Parity, GoldenSamples | None]],
    start: float,
) -> ExportResult:
    """Writes ``model`` to ``path``. The file is created only after all checks.

    Args:
        model: the graph; its metadata are set here.
        path: the file to write.
        manifest: manifest of the file.
        record: record of the training images.
        examine: compares the opened file with the original. Returns the comparison and the golden samples. If it
            raises, no file is written.
        start: ``time.perf_counter()`` at the beginning, for the report.

    Raises:
        ModelError: the runtime refuses the graph.
        OutputError: the file cannot be written.
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError: the graph is invalid.
    """
    describe(model, manifest, record, None)
    with atomic_path(path) as temporary, naming(temporary, path):
        write_unchecked(model, temporary)
        parity, golden = examine(open_session(temporary, "cpu", trusted=True))
        if golden is not None:
            describe(model, manifest, record, golden)
            write_unchecked(model, temporary)
        written = read_model_file(temporary)
        admit_own(replace(written, path=path))
    return ExportResult.of(path, written, model, parity, time.perf_counter() - start)


def compare(
    original: Callable[[Image], tuple[NDArray[np.floating], NDArray[np.float32] | None]],
    session: ModelSession,
    images: Image,
    which: str,
    progress: Progress,
) -> Parity:
    """Compares the outputs of a file with those of the original.

    Args:
        original: uint8 ``[N, H, W, 3]`` to probabilities ``[N, C]``, and unknown scores ``[N]`` where it gives any.
        session: the file.
        images: uint8 ``[N, H, W, 3]``.
        which: where they come from, for the report.
        progress: told of images done.
    """
    largest, agreeing = 0.0, 0
    unknown: list[NDArray[np.float32]] = []
    for i in range(0, len(images), _BATCH):
        batch = images[i : i + _BATCH]
        (expected, scores), (found, given) = original(batch), session.answers(batch)
        difference = float(np.abs(expected - found).max())
        largest = difference if not difference <= largest else largest  # a NaN stays
        agreeing += int((expected.argmax(1) == found.argmax(1)).sum())
        if scores is not None and given is not None:
            unknown.append(np.abs(scores - given) / np.maximum(np.abs(scores), 1))
        progress(min(i + _BATCH, len(images)), len(images))
    return Parity(
        images=len(images),
        image_source=which,
        max_abs_diff=largest,
        top1_agreement=agreeing / len(images),
        unknown_max_diff=float(np.concatenate(unknown).max()) if unknown else None,
    )
