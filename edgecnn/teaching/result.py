"""What teaching reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn.data.left_out import Reason
from edgecnn.data.loading import Skipped

__all__ = ["Forecast", "LabelNext", "TaughtClass", "TeachResult"]


@dataclass(frozen=True)
class Forecast:
    """The accuracy to expect with more images per class."""

    images_per_class: int
    top1: float  # a fraction
    interval: tuple[float, float]  # 90 %


@dataclass(frozen=True)
class TaughtClass:
    """A class of the images."""

    label: str
    images: int
    recall: float  # share of its images that are right in cross-validation
    confused_with: str | None  # the class that most of its wrong images are taken for


@dataclass(frozen=True)
class LabelNext:
    """An image without a label that should get one."""

    path: str
    guess: str  # the class that the newest classifier takes it for
    score: float  # the probability of it
    reason: str  # why this image


@dataclass(frozen=True, kw_only=True)
class TeachResult:
    """The report of ``edgecnn teach``; field names are the JSON keys."""

    file: str | None  # None: no file was written
    sha256: str | None
    labels: tuple[str, ...]
    added: tuple[str, ...]  # labels that the model did not have
    images: int
    cv_top1: float  # by cross-validation, a fraction
    cv_interval: tuple[float, float]  # 95 %
    before_top1: float | None  # of the model as it was, on the same images; None where it has none of their classes
    forecast: tuple[Forecast, ...]
    classes: tuple[TaughtClass, ...]  # the one that needs images most first
    known_top1_before: float | None  # on the classes that it knew; None with --replace
    known_top1_after: float | None
    label_next: tuple[LabelNext, ...]  # of the unlabelled images, the most useful first; empty where none were given
    decision: Literal["taught", "unchanged"]
    reason: str
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    left_out: Mapping[Reason, int]  # files of the folder that were not tried, by reason
    seconds: float
