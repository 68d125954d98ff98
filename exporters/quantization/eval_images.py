"""Which pictures calibrate and which judge: never the same, and none that the training saw among the judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.dataset import Judged, judged_pictures
from edgecnn.errors import DataError
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["ChosenPictures", "choose_pictures"]


@dataclass(frozen=True)
class ChosenPictures:
    """Two sets without a common picture."""

    calibration: tuple[Path, ...]
    judged: tuple[Path, ...]
    truth: tuple[int, ...] | None  # of the judged; None without labels
    held_out: bool
    note: str


def choose_pictures(data: Path, session: ModelSession, samples: int, seed: int) -> ChosenPictures:
    """On the run's own data, training pictures calibrate and held-out ones judge; on other data the pictures are dealt out at random.

    Raises:
        InputNotFoundError, DataError: the folder cannot serve for both.
    """
    judged = judged_pictures(data, session.manifest, session.split_record, labels_needed=False)
    if not judged.trained_on:
        return _deal(judged, samples, seed)
    calibration = _pick(judged.trained_on, samples, seed)
    note = f"calibrated on {len(calibration)} training pictures, judged on {judged.note}"
    return ChosenPictures(tuple(calibration), judged.paths, judged.truth, True, note)


def _deal(every: Judged, samples: int, seed: int) -> ChosenPictures:
    """None of them was trained on: at most half calibrate, the rest judge."""
    order = np.random.default_rng(seed).permutation(len(every.paths))
    few = min(samples, len(order) // 2)
    if few < 1:
        raise DataError(f"{every.paths[0].parent}: one picture can calibrate or judge, not both; give more")
    rest = sorted(order[few:])
    truth = tuple(every.truth[i] for i in rest) if every.truth else None
    note = f"calibrated on {few} pictures, judged on the other {len(rest)}; the training saw none of them"
    return ChosenPictures(tuple(every.paths[i] for i in sorted(order[:few])), tuple(every.paths[i] for i in rest), truth, True, note)


def _pick(paths: tuple[Path, ...], samples: int, seed: int) -> list[Path]:
    order = np.random.default_rng(seed).permutation(len(paths))[:samples]
    return [paths[i] for i in sorted(order)]
