"""The old name of :mod:`edgecnn.evaluation.metrics`, kept for programs that import it."""

from edgecnn.evaluation.metrics import (
    ClassMetrics,
    Metrics,
    compute_metrics,
    ece_band,
    expected_calibration_error,
    mean_kl,
    poisson_interval,
    signal_to_noise_db,
    wilson_interval,
)

__all__ = [
    "ClassMetrics",
    "Metrics",
    "compute_metrics",
    "ece_band",
    "expected_calibration_error",
    "judge",
    "mean_kl",
    "poisson_interval",
    "signal_to_noise_db",
    "wilson_interval",
]

judge = compute_metrics  # its old name
