"""Model evaluation: metrics, comparison of model files, and the rejection threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.evaluation.evaluate import DatasetPredictions as DatasetPredictions
    from edgecnn.evaluation.evaluate import ModelBackend as ModelBackend
    from edgecnn.evaluation.evaluate import ValResult as ValResult
    from edgecnn.evaluation.evaluate import read_probabilities as read_probabilities
    from edgecnn.evaluation.evaluate import validate as validate

__all__ = ["DatasetPredictions", "ModelBackend", "ValResult", "read_probabilities", "validate"]

_MODULES = {
    "ModelBackend": "evaluate",
    "DatasetPredictions": "evaluate",
    "ValResult": "evaluate",
    "read_probabilities": "evaluate",
    "validate": "evaluate",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
