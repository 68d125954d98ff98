"""The old name of :mod:`edgecnn.training.calibration.ood_score`, kept for programs that import it."""

from edgecnn.training.calibration.ood_score import (
    LEAST_VALIDATION_PICTURES,
    MOST_TRAINING_PICTURES,
    Energy,
    FeatureDistance,
    UnknownFit,
    build_score,
    fit_unknown,
    spread,
)

__all__ = ["LEAST_VALIDATION_PICTURES", "MOST_TRAINING_PICTURES", "Energy", "FeatureDistance", "UnknownFit", "build_score", "fit_unknown", "spread"]
