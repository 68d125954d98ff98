"""The old name of :mod:`edgecnn.training.calibration.ood_score`, kept for programs that import it."""

from edgecnn.training.calibration.ood_score import (
    MAX_TRAINING_IMAGES,
    MIN_VALIDATION_IMAGES,
    Energy,
    FeatureDistance,
    UnknownFit,
    build_score,
    fit_unknown,
    spread,
)

__all__ = [
    "MAX_TRAINING_IMAGES",
    "MIN_VALIDATION_IMAGES",
    "Energy",
    "FeatureDistance",
    "UnknownFit",
    "build_score",
    "fit_unknown",
    "spread",
]
