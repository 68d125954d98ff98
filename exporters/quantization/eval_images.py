"""Chooses images for calibration and for evaluation: disjoint sets, without training images in the evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.dataset import EvalImages, select_eval_images
from edgecnn.data.left_out import left_out_note
from edgecnn.errors import DataError
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["QuantizationImages", "choose_images"]


@dataclass(frozen=True)
class QuantizationImages:
    """Disjoint sets of calibration and evaluation images."""

    calibration: tuple[Path, ...]
    evaluated: tuple[Path, ...]
    truth: tuple[int, ...] | None  # of the evaluated; None without labels
    held_out: bool
    note: str


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
