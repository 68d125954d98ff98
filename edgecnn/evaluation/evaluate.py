"""Evaluates a model on a dataset. The same code serves checkpoints (torch) and model files (onnxruntime)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.eval_clips import EvalClips
from edgecnn.data.dataset import EvalImages, EvalSplit, select_eval_images
from edgecnn.data.left_out import Reason, left_out_by_reason
from edgecnn.data.loading import Skipped, fitted_batches
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import DataError
from edgecnn.evaluation.metrics import ClassMetrics, compute_metrics
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS, Image
from edgecnn.progress import Progress

__all__ = ["DatasetPredictions", "ModelBackend", "ValResult", "read_probabilities", "validate"]

_BATCH = 32


class ModelBackend(Protocol):
    """A model that computes class probabilities for images: a checkpoint or a session."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model."""

    def probabilities(self, images: Image) -> NDArray[np.float32]:
        """Returns probabilities ``[N, C]`` for uint8 ``[N, H, W, 3]`` RGB."""

    def answers(self, images: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Returns probabilities ``[N, C]``, and unknown scores ``[N]`` if the manifest's rule uses them, else None."""


@dataclass(frozen=True)
class DatasetPredictions:
    """The outputs of a model for a list of image files: N readable images, and the files that could not be read."""

    indices: tuple[int, ...]  # into the list that was given
    probabilities: NDArray[np.float32]  # [N, C]
    skipped: tuple[Skipped, ...]
    seconds: float
    unknown_scores: NDArray[np.float32] | None = None  # [N], where the manifest's rule goes by them

    @property
    def rejection_scores(self) -> NDArray[np.float32]:
        """The scores that the manifest's unknown rule compares with its threshold, ``[N]``."""
        return self.probabilities.max(1) if self.unknown_scores is None else self.unknown_scores


def read_probabilities(
    model: ModelBackend,
    paths: Sequence[Path],
    progress: Progress | None = None,
    batch: int = _BATCH,
    max_pixels: int = MAX_PIXELS,
) -> DatasetPredictions:
    """Preprocesses every image by the model's manifest and runs the model on it.

    Raises:
        DataError: no image can be read.
    """
    start = time.perf_counter()
    indices: list[int] = []
    skipped: list[Skipped] = []
    rows: list[NDArray[np.float32]] = []
    scores: list[NDArray[np.float32]] = []
    for loaded in fitted_batches(paths, model.manifest, batch, max_pixels=max_pixels):
        skipped += loaded.skipped
        indices += loaded.indices
        if loaded.indices:
            probabilities, unknown = (
                model.answers(loaded.images)
                if model.manifest.unknown.in_graph
                else (model.probabilities(loaded.images), None)
            )
            rows.append(probabilities)
            scores += [] if unknown is None else [unknown]
        if progress:
            progress(len(indices) + len(skipped), len(paths))
    if not rows:
        raise DataError(f"{paths[0].parent}: none of {len(paths)} images can be read; first error: {skipped[0].reason}")
    return DatasetPredictions(
        indices=tuple(indices),
        probabilities=np.concatenate(rows),
        skipped=tuple(skipped),
        seconds=time.perf_counter() - start,
        unknown_scores=np.concatenate(scores) if scores else None,
    )


@dataclass(frozen=True)
class ValResult:
    """The report of ``edgecnn val``; field names are the JSON keys."""

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
    note: str  # which images were evaluated
    left_out: Mapping[Reason, int]  # files of the folder that were not tried, by reason

    @classmethod
    def of(
        cls, evaluated: EvalImages | EvalClips, predictions: DatasetPredictions, labels: tuple[str, ...]
    ) -> ValResult:
        """The metrics of the predictions for labelled images or clips.

        Args:
            evaluated: the images or clips, with their classes.
            predictions: what the model answered.
            labels: of the model's classes.

        """
        assert evaluated.truth is not None, "labels are needed"
        truth = [evaluated.truth[i] for i in predictions.indices]
        found = compute_metrics(predictions.probabilities, truth, labels)
        return cls(
            images=found.images,
            top1=found.top1,
            top5=found.top5,
            macro_f1=found.macro_f1,
            ece=found.ece,
            nll=found.nll,
            labels=labels,
            confusion=found.confusion,
            per_class=found.per_class,
            images_per_s=found.images / predictions.seconds,
            skipped=predictions.skipped,
            held_out=evaluated.held_out,
            note=evaluated.note,
            left_out=left_out_by_reason(evaluated.left_out),
        )


def validate(
    model: ModelBackend,
    record: SplitRecord | None,
    data: Path,
    which: EvalSplit | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ValResult:
    """Evaluates a model on labelled images, chosen by :func:`edgecnn.data.dataset.select_eval_images`.

    Images with more than ``max_pixels`` are skipped.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: the folder is not a labelled dataset with classes of this model, or no image can be read.
    """
    evaluated = select_eval_images(data, model.manifest, record, which)
    if evaluated.truth is None:
        raise DataError(f"{data}: its images have no labels; put them into one folder per class")
    predictions = read_probabilities(model, evaluated.paths, progress, max_pixels=max_pixels)
    return ValResult.of(evaluated, predictions, model.manifest.labels)
