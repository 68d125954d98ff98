"""Judges a model, of whatever kind, on a folder of pictures: the same code for a checkpoint on torch and a file on a device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.dataset import Judged, judged_pictures
from edgecnn.data.loading import Skipped, fitted_batches
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import DataError
from edgecnn.evaluation.metrics import ClassMetrics, judge
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.progress import Progress

__all__ = ["Judge", "Readings", "ValResult", "read_probabilities", "validate"]

_BATCH = 32


class Judge(Protocol):
    """A model that answers pictures with probabilities."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""

    def probabilities(self, images: Image) -> NDArray[np.float32]:
        """uint8 ``[N, H, W, 3]`` RGB -> ``[N, C]``."""

    def answers(self, images: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """As ``probabilities``, with the unknown scores ``[N]`` where the manifest's rule goes by them."""


@dataclass(frozen=True)
class Readings:
    """A model's probabilities for the pictures that could be read."""

    indices: tuple[int, ...]  # into the list that was given
    probabilities: NDArray[np.float32]  # [N, C]
    skipped: tuple[Skipped, ...]
    seconds: float
    unknown_scores: NDArray[np.float32] | None = None  # [N], where the manifest's rule goes by them

    @property
    def rejection_scores(self) -> NDArray[np.float32]:
        """What the manifest's rule goes by, ``[N]``."""
        return self.probabilities.max(1) if self.unknown_scores is None else self.unknown_scores


def read_probabilities(model: Judge, paths: Sequence[Path], progress: Progress | None = None, batch: int = _BATCH) -> Readings:
    """Runs every picture through the model's own preprocessing and the model.

    Raises:
        DataError: none of the pictures can be read.
    """
    start = time.perf_counter()
    indices: list[int] = []
    skipped: list[Skipped] = []
    rows: list[NDArray[np.float32]] = []
    scores: list[NDArray[np.float32]] = []
    for loaded in fitted_batches(paths, model.manifest, batch):
        skipped += loaded.skipped
        indices += loaded.indices
        if loaded.indices:
            probabilities, unknown = model.answers(loaded.images) if model.manifest.unknown.in_graph else (model.probabilities(loaded.images), None)
            rows.append(probabilities)
            scores += [] if unknown is None else [unknown]
        if progress:
            progress(len(indices) + len(skipped), len(paths))
    if not rows:
        raise DataError(f"{paths[0].parent}: none of {len(paths)} pictures can be read; the first: {skipped[0].reason}")
    return Readings(tuple(indices), np.concatenate(rows), tuple(skipped), time.perf_counter() - start, np.concatenate(scores) if scores else None)


@dataclass(frozen=True)
class ValResult:
    """What ``edgecnn val`` reports; keys as in the contract."""

    images: int
    top1: float
    top5: float | None
    macro_f1: float
    ece: float
    nll: float
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # row: truth
    per_class: tuple[ClassMetrics, ...]
    images_per_s: float
    skipped: tuple[Skipped, ...]
    held_out: bool
    note: str  # which pictures were judged


def validate(
    model: Judge,
    record: SplitRecord | None,
    data: Path,
    which: Literal["val", "test", "all"] | None = None,
    progress: Progress | None = None,
) -> ValResult:
    """Judges a model on a folder of labelled pictures; which of them: :func:`edgecnn.data.dataset.judged_pictures`.

    Raises:
        InputNotFoundError, DataError: the folder cannot judge this model.
    """
    judged: Judged = judged_pictures(data, model.manifest, record, which)
    if judged.truth is None:
        raise DataError(f"{data}: its pictures have no labels; put them into one folder a class")
    readings = read_probabilities(model, judged.paths, progress)
    found = judge(readings.probabilities, [judged.truth[i] for i in readings.indices], model.manifest.labels)
    return ValResult(
        images=found.images,
        top1=found.top1,
        top5=found.top5,
        macro_f1=found.macro_f1,
        ece=found.ece,
        nll=found.nll,
        labels=model.manifest.labels,
        confusion=found.confusion,
        per_class=found.per_class,
        images_per_s=found.images / readings.seconds,
        skipped=readings.skipped,
        held_out=judged.held_out,
        note=judged.note,
    )
