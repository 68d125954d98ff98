"""How good a model is, how alike two forms of it are, and when it says `unknown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.evaluation.evaluation import DatasetPredictions as DatasetPredictions
    from edgecnn.evaluation.evaluation import ModelBackend as ModelBackend
    from edgecnn.evaluation.evaluation import ValResult as ValResult
    from edgecnn.evaluation.evaluation import read_probabilities as read_probabilities
    from edgecnn.evaluation.evaluation import validate as validate

__all__ = ["DatasetPredictions", "ModelBackend", "ValResult", "read_probabilities", "validate"]

_MODULES = {
    "ModelBackend": "evaluation",
    "DatasetPredictions": "evaluation",
    "ValResult": "evaluation",
    "read_probabilities": "evaluation",
    "validate": "evaluation",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
