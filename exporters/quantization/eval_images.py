"""Chooses images for calibration and for evaluation: disjoint sets, without training images in the evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.dataset import EvalImages, select_eval_images
from edgecnn.data.left_out import left_out_note
from edgecnn.data.loading import Skipped, fitted_batches
from edgecnn.errors import DataError
from edgecnn.evaluation.evaluate import DatasetPredictions, read_probabilities
from edgecnn.preprocess import MAX_PIXELS, Image
from edgecnn.progress import Progress
from edgecnn.runtime.session.model_session import ModelSession

__all__ = [
    "MIN_IMAGES",
    "CalibrationSet",
    "Compared",
    "ComparedImages",
    "QuantizationImages",
    "choose_images",
    "require_enough",
]

MIN_IMAGES = 4  # for calibration
_BATCH, _LOADED = 8, 32


class Compared(Protocol):
    """Images or clips on which candidates are compared with the float model."""

    def answers(self, session: ModelSession, /) -> NDArray[np.float32]:
        """Probabilities ``[M, C]`` of the model on them."""


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """Single images."""

    images: Image  # uint8 [N, H, W, 3]

    def answers(self, session: ModelSession) -> NDArray[np.float32]:
        """Probabilities ``[N, C]``."""
        parts = [self.images[i : i + _BATCH] for i in range(0, len(self.images), _BATCH)]
        return np.concatenate([session.probabilities(part) for part in parts])


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Calibration images, a part of them set aside for comparing candidates."""

    fitted: Image  # uint8 [N, H, W, 3]
    aside: Compared
    shown: Compared  # all of them; clips: those set aside
    skipped: tuple[Skipped, ...]  # files that cannot be read


@dataclass(frozen=True)
class QuantizationImages:
    """Disjoint sets of calibration and evaluation images.

    Those of clips (:mod:`exporters.temporal.quantization_clips`) are read in other ways.
    """

    calibration: tuple[Path, ...]
    evaluated: tuple[Path, ...]
    truth: tuple[int, ...] | None  # of the evaluated; None without labels
    held_out: bool
    note: str
    max_pixels: int = field(default=MAX_PIXELS, kw_only=True)  # larger images are skipped

    @property
    def noun(self) -> str:
        """What is evaluated, in the plural."""
        return "images"

    def calibration_set(self, session: ModelSession, progress: Progress) -> CalibrationSet:
        """Reads the calibration images; a quarter of them is set aside for comparing candidates.

        Raises:
            DataError: too few of them can be read.
        """
        batches: list[Image] = []
        skipped: list[Skipped] = []
        for batch in fitted_batches(self.calibration, session.manifest, _LOADED, max_pixels=self.max_pixels):
            batches.append(batch.images)
            skipped += batch.skipped
            progress(sum(map(len, batches)) + len(skipped), len(self.calibration))
        images = np.concatenate(batches)
        require_enough(len(images), self.calibration[0].parent)
        aside = max(1, len(images) // 4)
        return CalibrationSet(images[aside:], ComparedImages(images[:aside]), ComparedImages(images), tuple(skipped))

    def read(self, session: ModelSession, progress: Progress) -> DatasetPredictions:
        """Runs a model on what is evaluated. Raises :class:`DataError` if nothing can be read."""
        return read_probabilities(session, self.evaluated, progress, max_pixels=self.max_pixels)


def require_enough(images: int, folder: Path) -> None:
    """Raises :class:`DataError` if there are too few calibration images."""
    if images < MIN_IMAGES:
        raise DataError(f"{folder}: {images} readable images for calibration, at least {MIN_IMAGES} are required")


def choose_images(data: Path, session: ModelSession, samples: int, seed: int) -> QuantizationImages:
    """On the data of the run, takes training images for calibration and held-out ones for evaluation.

    Splits other data at random.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: there are not enough images for both sets.
    """
    evaluated = select_eval_images(data, session.manifest, session.split_record, labels_needed=False)
    if not evaluated.trained_on:
        return _deal(evaluated, samples, seed)
    calibration = _pick(evaluated.trained_on, samples, seed)
    note = f"calibrated on {len(calibration)} training images, evaluated on {evaluated.note}"
    note += left_out_note(evaluated.left_out)
    return QuantizationImages(
        calibration=tuple(calibration), evaluated=evaluated.paths, truth=evaluated.truth, held_out=True, note=note
    )


def _deal(every: EvalImages, samples: int, seed: int) -> QuantizationImages:
    """Divides images that were not trained on: at most half for calibration, the rest for evaluation."""
    order = np.random.default_rng(seed).permutation(len(every.paths))
    few = min(samples, len(order) // 2)
    if few < 1:
        raise DataError(
            f"{every.paths[0].parent}: only one image; calibration and evaluation need different images, give more"
        )
    rest = sorted(order[few:])
    truth = tuple(every.truth[i] for i in rest) if every.truth else None
    note = (
        f"calibrated on {few} images, evaluated on the other {len(rest)}; none of them is a training image"
        f"{left_out_note(every.left_out)}"
    )
    return QuantizationImages(
        calibration=tuple(every.paths[i] for i in sorted(order[:few])),
        evaluated=tuple(every.paths[i] for i in rest),
        truth=truth,
        held_out=True,
        note=note,
    )


def _pick(paths: tuple[Path, ...], samples: int, seed: int) -> list[Path]:
    order = np.random.default_rng(seed).permutation(len(paths))[:samples]
    return [paths[i] for i in sorted(order)]
