"""The input of a training report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import Metrics
from edgecnn.preprocess import Image
from edgecnn.training.nouns import IMAGES, Nouns
from edgecnn.training.options import BestBy
from edgecnn.training.run.history import EpochRow

__all__ = ["DataFinding", "EvaluatedPart", "Mistake", "ReportInput", "Timeline"]


class DataFinding(Protocol):
    """A dataset finding, with the fields of a finding of ``doctor``."""

    @property
    def level(self) -> str:
        """``fault``, ``warning``, ``note`` or ``ok``."""

    @property
    def what(self) -> str:
        """What was found."""

    @property
    def where(self) -> str:
        """The place: a file, a class, a folder."""

    @property
    def remedy(self) -> str:
        """What to do; empty where there is nothing to do."""


@dataclass(frozen=True)
class Mistake:
    """One validation image, or clip, with a wrong answer."""

    path: Path
    truth: str
    answer: str
    score: float  # probability of the wrong answer
    evidence: Image | None = None  # uint8 [h, w, 3] RGB: the image under the class-activation map of the wrong answer
    frame: Image | None = None  # uint8 [h, w, 3] RGB: shown for a clip, whose path is no image


@dataclass(frozen=True)
class Timeline:
    """The probabilities of one validation clip at every step."""

    name: str  # of the clip
    truth: str
    times_s: NDArray[np.float64]  # [T] from the start of the clip
    probabilities: NDArray[np.float32]  # [T, C]


@dataclass(frozen=True)
class EvaluatedPart:
    """The evaluation of one split. Without probabilities only shares have an interval."""

    metrics: Metrics
    probabilities: NDArray[np.floating] | None = None  # [N, C]
    truth: NDArray[np.integer] | None = None  # [N] class indices


@dataclass(frozen=True)
class ReportInput:
    """All that a report shows."""

    title: str
    facts: Sequence[tuple[str, str]]  # label, value: network, images, seconds …
    command: str  # that repeats the run
    environment: Sequence[tuple[str, str]]  # label, value: versions, processor, seed, hash of the data
    history: Sequence[EpochRow]
    val: EvaluatedPart
    mistakes: Sequence[Mistake]  # worst first
    skipped: Sequence[tuple[str, str]]  # path, reason
    best_by: BestBy = "top1"  # what chose the best epoch
    test: EvaluatedPart | None = None  # images that chose nothing, where some were set aside
    findings: Sequence[DataFinding] | None = None  # None: the images were not examined
    nouns: Nouns = IMAGES
    timelines: Sequence[Timeline] = ()  # of some clips
